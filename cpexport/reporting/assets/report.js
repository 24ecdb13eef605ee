"use strict";
// Colors the wells by the chosen value, and shows a well at the pointer, by keys and by a click.
// All text of the data becomes text nodes.
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  // Ten points of cividis (Nuñez, Anderton and Renslow 2018).
  const CIVIDIS = ["#00224e", "#0f336f", "#34456d", "#50566c", "#696970", "#7f7c75", "#998f78", "#b4a473", "#d2ba69", "#fee838"];

  const element = (name, attributes, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...content.filter((one) => one !== null && one !== undefined));
    return made;
  };

  const color = (part) => {
    const at = Math.max(0, Math.min(1, part)) * (CIVIDIS.length - 1);
    const low = Math.min(Math.floor(at), CIVIDIS.length - 2);
    const mixed = [1, 3, 5].map((place) => {
      const [one, other] = [0, 1].map((next) => parseInt(CIVIDIS[low + next].slice(place, place + 2), 16));
      return Math.round(one + (other - one) * (at - low));
    });
    return `rgb(${mixed.join(",")})`;
  };

  const shown = (value) => {
    if (value === null || value === undefined) return "no value";
    return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));
  };

  // `3:1-4@7`: image sets 1-4 failed in batch 7; without a state they are complete.
  const piece = (text) => {
    const [, state, sets, owners] = /^(?:(\d):)?([^@]*)(?:@(.*))?$/.exec(text);
    return [Number(state || 0), sets, owners ? owners.split(",").map(Number) : []];
  };
  for (const one of data.metrics) {
    const [factor, digits] = [10 ** Math.abs(one.p), Math.max(-one.p, 0)];
    one.v = one.v.map((step) => (step === null ? null : Number((one.p < 0 ? step / factor : step * factor).toFixed(Math.min(digits, 99)))));
  }

  // The maps, with the place of each well in the data and on the plate.
  const wells = [];
  const maps = [...document.querySelectorAll("svg[data-plate]")].map((svg) => {
    const plate = data.plates[Number(svg.dataset.plate)];
    const grid = new Map();
    const own = [...svg.querySelectorAll("rect")].map((rect, place) => {
      const [column, row] = ["x", "y"].map((name) => Math.floor(Number(rect.getAttribute(name)) / 12));
      const [name, pieces, run] = plate.w[place];
      const well = { rect, svg, plate, name, pieces: [pieces].flat().map(piece), run: run || 0, column, row, at: wells.length };
      grid.set(`${column},${row}`, well);
      wells.push(well);
      return well;
    });
    const nil = document.createElementNS(SVG, "path");
    nil.setAttribute("class", "mark nil");
    svg.append(nil);
    return { svg, own, grid, nil, label: svg.getAttribute("aria-label") };
  });
  const byRect = new Map(wells.map((well) => [well.rect, well]));
  const bySvg = new Map(maps.map((map) => [map.svg, map]));
  let metric = -1;
  let cursor = null;
  let open = null;

  // What is in a well, a line for each column.
  const treated = (well) => data.treatments.filter(({ w }) => w[well.at] !== null && w[well.at] !== undefined)
    .map(({ t, v, w }) => `${t}: ${v[w[well.at]]}`);

  const counted = (well) => well.pieces.map(([state, sets]) => `${data.states[state]}: ${sets}`).join("; ");

  const described = (well) => {
    const value = metric < 0 ? "" : ` ${data.metrics[metric].t}: ${shown(data.metrics[metric].v[well.at])}.`;
    const content = treated(well).map((line) => ` ${line}.`).join("");
    return `${well.plate.n} ${well.name}.${value}${content} Image sets ${counted(well)}`;
  };

  // ---- Colors
  const legend = byId("legend");
  const states = legend ? [...legend.childNodes] : [];

  const choose = (place) => {
    metric = place;
    document.body.classList.toggle("values", place >= 0);
    const [low, high] = place < 0 ? [0, 0] : data.metrics[place].r;
    for (const map of maps) {
      let marks = "";
      for (const { rect, at, column, row } of map.own) {
        const value = place < 0 ? null : data.metrics[place].v[at];
        const known = value !== null && value !== undefined;
        rect.style.fill = known ? color(high > low ? (value - low) / (high - low) : 0.5) : "";
        rect.classList.toggle("nil", place >= 0 && !known);
        if (place >= 0 && !known) marks += `M${rect.getAttribute("x")} ${rect.getAttribute("y")}m3.5 3.5l4 4m0 -4l-4 4`;
      }
      map.nil.setAttribute("d", marks);
    }
    if (!legend) return;
    if (place < 0) {
      legend.replaceChildren(...states);
      return;
    }
    const { v, r } = data.metrics[place];
    const known = v.filter((value) => value !== null);
    const [first, last] = [Math.min(...known), Math.max(...known)];
    const gradient = element("i", { class: "scale" });
    gradient.style.background = `linear-gradient(to right, ${CIVIDIS.join(",")})`;
    const ends = r[0] === null ? [element("span", {}, "no values")] : [
      element("span", {}, `${first < r[0] ? "\u2264 " : ""}${shown(r[0])}`), gradient,
      element("span", {}, `${last > r[1] ? "\u2265 " : ""}${shown(r[1])}`)];
    legend.replaceChildren(...ends, element("span", {}, element("i", { class: "key nil", style: "background:var(--nil)" }), "\u00d7 no value"));
  };

  // ---- The well at the pointer or at the keys
  const tip = element("div", { id: "tip", hidden: "" });
  document.body.append(tip);

  const point = (well) => {
    if (cursor) cursor.rect.classList.remove("at");
    cursor = well;
    if (well) well.rect.classList.add("at");
    tip.hidden = !well;
    if (!well) return;
    tip.replaceChildren(element("b", {}, `${well.plate.n} ${well.name}`));
    if (metric >= 0) tip.append(element("div", {}, `${data.metrics[metric].t}: ${shown(data.metrics[metric].v[well.at])}`));
    tip.append(...treated(well).slice(0, 4).map((line) => element("div", {}, line)), element("div", {}, counted(well)));
    const box = well.rect.getBoundingClientRect();
    const place = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(box.left + 14, innerWidth - place.width - 8))}px`;
    const below = box.bottom + 8;
    tip.style.top = `${below + place.height > innerHeight ? box.top - place.height - 8 : below}px`;
  };

  document.addEventListener("pointermove", (event) => {
    const well = byRect.get(event.target);
    if (well) point(well);
    else if (cursor && document.activeElement !== cursor.svg) point(null);
  });
  document.addEventListener("click", (event) => {
    const well = byRect.get(event.target);
    if (well) {
      show(well);
      tip.hidden = true;
    }
  });

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const moved = (map, [across, down]) => {
    let { column, row } = cursor;
    const most = [Number(map.svg.dataset.columns), Number(map.svg.dataset.rows) + map.own.length];
    while (column >= 0 && row >= 0 && column < most[0] && row < most[1]) {
      [column, row] = [column + across, row + down];
      const well = map.grid.get(`${column},${row}`);
      if (well) return well;
    }
    return cursor;
  };

  const announce = (well) => { byId("at").textContent = described(well); };

  for (const map of maps) {
    map.svg.addEventListener("focus", () => {
      if (!cursor || cursor.svg !== map.svg) point(map.own[0] || null);
      if (cursor) announce(cursor);
    });
    // A frame around the map helps at the keyboard only.
    map.svg.addEventListener("pointerdown", () => { map.svg.style.outline = "none"; });
    map.svg.addEventListener("blur", () => point(null));
    map.svg.addEventListener("keydown", (event) => {
      map.svg.style.outline = "";
      if (!cursor || cursor.svg !== map.svg) return;
      if (event.key in STEPS) point(moved(map, STEPS[event.key]));
      else if (event.key === "Home") point(map.own[0]);
      else if (event.key === "End") point(map.own[map.own.length - 1]);
      else if (event.key === "Enter" || event.key === " ") show(cursor);
      else return;
      event.preventDefault();
      if (cursor) announce(cursor);
    });
  }

  // ---- The panel of a well
  const panel = byId("well");

  const listed = (title, lines) => (lines.length ? [element("h4", {}, title), element("ul", {}, ...lines.map((line) => element("li", {}, line)))] : []);

  const numbers = (sets) => sets.split(",").flatMap((range) => {
    const [first, last] = range.split("-").map(Number);
    return Array.from({ length: (last || first) - first + 1 }, (_, step) => first + step);
  });

  const batchesOf = (well) => {
    const parts = [];
    for (const [, , owners] of well.pieces) {
      for (const owner of owners) {
        const batch = data.batches[well.run][owner];
        parts.push(element("p", {}, element("code", {}, batch.p), ` ${batch.s}${batch.r ? `: ${batch.r}` : ""}`));
        if (batch.l) parts.push(element("pre", {}, batch.l.join("\n")));
        if (batch.f) parts.push(element("p", {}, "Log: ", element("code", {}, batch.f)));
      }
    }
    return parts.length ? [element("h4", {}, "Batches"), ...parts] : [];
  };

  const filesOf = (well) => {
    const files = data.files[well.run] || {};
    return well.pieces.flatMap(([, sets]) => numbers(sets)).filter((number) => files[number])
      .map((number) => `${number}: ${files[number].join(", ")}`);
  };

  const show = (well) => {
    if (open) open.rect.classList.remove("open");
    open = well;
    well.rect.classList.add("open");
    const close = element("button", { type: "button", "aria-label": "Close" }, "\u00d7");
    close.addEventListener("click", hide);
    const values = data.metrics.map(({ t, v }) => [t, v[well.at]]).filter(([, value]) => value !== null && value !== undefined);
    const chosen = metric < 0 ? [] : [[data.metrics[metric].t, data.metrics[metric].v[well.at]]];
    const some = [...chosen, ...values.filter(([title]) => !chosen.length || title !== chosen[0][0])].slice(0, 12);
    const command = data.commands[well.at];
    panel.replaceChildren(
      element("h3", {}, element("span", {}, `${well.plate.n} ${well.name}`), close),
      ...listed("Image sets", well.pieces.map(([state, sets, owners]) => {
        const why = state === 4 && !owners.length ? ": no batch has them" : "";
        return `${sets} ${data.states[state]}${why}`;
      })),
      ...listed("In the well", treated(well)),
      ...listed("Values", some.map(([title, value]) => `${title}: ${shown(value)}`)),
      ...batchesOf(well),
      ...listed("Files", filesOf(well)),
      ...(command ? [element("h4", {}, "Run again"), element("pre", {}, command)] : []));
    // On the side where it does not hide the well.
    panel.classList.toggle("left", well.rect.getBoundingClientRect().left > innerWidth / 2);
    panel.hidden = false;
    panel.setAttribute("aria-label", `Well ${well.plate.n} ${well.name}`);
  };

  const hide = () => {
    if (!open) return;
    open.rect.classList.remove("open");
    const { svg } = open;
    open = null;
    panel.hidden = true;
    svg.focus({ preventScroll: true });
  };
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // ---- The lists
  const treatment = byId("treatment");
  if (treatment) {
    data.treatments.forEach(({ t, v }, column) => {
      const options = v.slice(0, 500).map((text, place) => element("option", { value: `${column}:${place}` }, text));
      treatment.append(element("optgroup", { label: t }, ...options));
    });
    treatment.addEventListener("change", () => {
      const [column, place] = treatment.value.split(":").map(Number);
      for (const well of wells) {
        well.rect.classList.toggle("dim", treatment.value !== "" && data.treatments[column].w[well.at] !== place);
      }
    });
  }
  const select = byId("metric");
  const feature = byId("feature");
  const judge = (place) => {
    for (const block of document.querySelectorAll(".metric")) block.hidden = Number(block.dataset.metric) !== place;
  };
  if (select) {
    select.addEventListener("change", () => {
      choose(Number(select.value));
      if (feature && [...feature.options].some((one) => one.value === select.value)) {
        feature.value = select.value;
        judge(metric);
      }
    });
    choose(Number(select.value));
  }
  if (feature) {
    feature.addEventListener("change", () => judge(Number(feature.value)));
    judge(Number(feature.value));
  }
})();

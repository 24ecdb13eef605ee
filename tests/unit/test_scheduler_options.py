"""Options for schedulers go there as the words of a shell; the last job gets none that holds it."""

import pytest
from support.site import Site, program
from support.submitting import played, received


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ("--account=lab", ["--account=lab"]),
            ("-A lab", ["-A", "lab"]),
            ("--comment='my job'", ["--comment=my job"]),
            ("--account=lab --qos=high", ["--account=lab", "--qos=high"]),
        ],
    )
    def test_are_split_as_a_shell_would(self, site: Site, option: str, words: list[str]) -> None:
        played(site)
        site.plan(f"--option={option}", scheduler="slurm")
        site.submit()
        array, merge = received(site)
        at = array.index(words[0])

        assert array[at : at + len(words)] == words
        assert words[-1] in merge

    @pytest.mark.parametrize("option", ["--comment=my job", "--comment=it's"])
    def test_that_can_be_read_in_two_ways_are_refused_with_the_word_how(
        self, site: Site, option: str
    ) -> None:
        batch = site.home / "any.h5"
        ran = site.call("plan", "--batch", batch, "--out", site.run, f"--option={option}")

        assert ran.status == 2
        assert "--option \"--comment='" in ran.err

    def test_parallel_environments_of_grid_engine(self, site: Site) -> None:
        program(site, "qsub", f"printf '%s\\n' \"$@\" END >>{site.home}/received\necho 7")
        site.plan("--option=-pe smp 4", "--option=-hold_jid 3 -h", scheduler="sge")
        site.submit()
        array, merge = received(site)
        at = array.index("-pe")

        assert array[at : at + 6] == ["-pe", "smp", "4", "-hold_jid", "3", "-h"]
        assert merge[merge.index("-pe") :][:5] == ["-pe", "smp", "4", "-hold_jid", "7"]
        assert "-h" not in merge

    def test_chunks_of_pbs_get_the_memory(self, site: Site) -> None:
        program(
            site, "qsub", f"printf '%s\\n' \"$@\" END >>{site.home}/received\necho '17[].server'"
        )
        chunk = "--option=-l select=1:ncpus=4:place=free"
        site.plan(chunk, "--memory", "2G", "--option=-W group_list=lab", scheduler="pbs")
        site.submit()
        array, merge = received(site)

        assert array[-3:-1] == ["-l", "select=1:ncpus=4:mem=2048mb:place=free"]
        assert not [word for word in array if word.startswith("mem=")]
        assert "select=1:ncpus=4:mem=4096mb:place=free" in merge
        assert "group_list=lab" in merge

"""One HTML file that shows a run: its plates, its quality and its batches.

`run_state` says what became of each image set, `measured` what a destination holds of each well;
`screen` puts both on plates, and `page` draws them. Everything is aggregated by well as it is read,
so that memory grows with the number of wells. Text that comes from outputs reaches the page through
`markup.element` or `page_data.as_script` alone, which escape it.
"""

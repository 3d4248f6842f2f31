"""The instructor's dashboard: the gradebook as pages in a browser, with forms for what is decided by hand."""

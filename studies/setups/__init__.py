"""Set-up files by name, and the table of facts that the published ones are written from."""

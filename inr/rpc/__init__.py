"""Messages and stubs of the service, generated from `protos`; never edited by hand."""

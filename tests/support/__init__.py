"""What tests share: real outputs, servers, schedulers, and readers independent of cpexport."""

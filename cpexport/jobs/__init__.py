"""Planning, submitting and tracking cluster jobs."""

"""Scripts for the clients of MySQL and MariaDB."""

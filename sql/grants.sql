-- What users need of a server, for its administrator to run: as little as there can be.
-- Put your database in place of screens, and users, with hosts and passwords, in place of these.

CREATE DATABASE IF NOT EXISTS screens CHARACTER SET utf8mb4;

-- To run import.sql of cpexport script, and to load.
-- MySQL also needs: SET GLOBAL local_infile = 1. MariaDB has it on, and a load into MariaDB does not need it.
CREATE USER IF NOT EXISTS 'loader'@'%' IDENTIFIED BY 'choose one';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES,
  CREATE VIEW, SHOW VIEW, CREATE TEMPORARY TABLES ON screens.* TO 'loader'@'%';

-- To read: by hand, from R or Python, and with the commands of cpexport that only read.
CREATE USER IF NOT EXISTS 'reader'@'%' IDENTIFIED BY 'choose another';
GRANT SELECT, SHOW VIEW ON screens.* TO 'reader'@'%';

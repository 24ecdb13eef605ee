-- What the user of `cpexport load --to mysql+pymysql://loader@host/screens` needs, on its one
-- database. For the DBA of a MySQL or MariaDB server; change names and password.
CREATE DATABASE screens CHARACTER SET utf8mb4;
CREATE USER loader@'%' IDENTIFIED BY 'change me';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW
    ON screens.* TO loader@'%';
-- MySQL has LOAD DATA LOCAL off; without it loading works, but is slower:
-- SET PERSIST local_infile = 1;

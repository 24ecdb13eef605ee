-- Written by cpexport 0.2.0. Imports the files in this folder, each batch once:
--   mysql --local-infile=1 DATABASE < import.sql        (or mariadb instead of mysql)
-- Run it in this folder. If a file has changed since it was written, the script stops with an error
-- and imports nothing of that batch. Correct the cause and run the script again: it skips batches
-- that are already imported. README.txt explains all of this, and each error.
SET NAMES utf8mb4 COLLATE utf8mb4_bin;
SET SESSION autocommit = 0, sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', sql_select_limit = 18446744073709551615, max_join_size = 18446744073709551615,
  sql_big_selects = 1, sql_safe_updates = 0, sql_auto_is_null = 0, updatable_views_with_limit = 'YES',
  foreign_key_checks = 1, unique_checks = 1, completion_type = 'NO_CHAIN', default_storage_engine = 'InnoDB',
  default_tmp_storage_engine = 'InnoDB', time_zone = '+00:00', lc_time_names = 'en_US', default_week_format = 0,
  div_precision_increment = 4, max_sort_length = 1024, sql_notes = 1, group_concat_max_len = 1000000;
SET @s = IF(VERSION() LIKE '%MariaDB%',
  'SET SESSION tx_isolation = ''READ-COMMITTED'', tx_read_only = 0, max_statement_time = 0, old_mode = '''', sql_if_exists = 0, check_constraint_checks = 1, innodb_strict_mode = 1, max_error_count = 64',
  'SET SESSION transaction_isolation = ''READ-COMMITTED'', transaction_read_only = 0, max_execution_time = 0');
PREPARE s FROM @s; EXECUTE s;
SET @keys = 0 /*!80013 + @@SESSION.sql_require_primary_key */;
SET @ok = 1, @loaded = 0, @left = 0;
SET @wrong = CONCAT_WS(', ', NULL,
  IF(@@SESSION.autocommit <=> 0, NULL, 'autocommit'),
  IF(@@SESSION.sql_mode <=> 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', NULL, 'sql_mode'),
  IF(@@SESSION.sql_select_limit <=> 18446744073709551615, NULL, 'sql_select_limit'),
  IF(@@SESSION.max_join_size <=> 18446744073709551615, NULL, 'max_join_size'),
  IF(@@SESSION.sql_big_selects <=> 1, NULL, 'sql_big_selects'),
  IF(@@SESSION.sql_safe_updates <=> 0, NULL, 'sql_safe_updates'),
  IF(@@SESSION.sql_auto_is_null <=> 0, NULL, 'sql_auto_is_null'),
  IF(@@SESSION.updatable_views_with_limit <=> 'YES', NULL, 'updatable_views_with_limit'),
  IF(@@SESSION.foreign_key_checks <=> 1, NULL, 'foreign_key_checks'),
  IF(@@SESSION.unique_checks <=> 1, NULL, 'unique_checks'),
  IF(@@SESSION.completion_type <=> 'NO_CHAIN', NULL, 'completion_type'),
  IF(@@SESSION.default_storage_engine <=> 'InnoDB', NULL, 'default_storage_engine'),
  IF(@@SESSION.default_tmp_storage_engine <=> 'InnoDB', NULL, 'default_tmp_storage_engine'),
  IF(@@SESSION.time_zone <=> '+00:00', NULL, 'time_zone'),
  IF(@@SESSION.lc_time_names <=> 'en_US', NULL, 'lc_time_names'),
  IF(@@SESSION.default_week_format <=> 0, NULL, 'default_week_format'),
  IF(@@SESSION.div_precision_increment <=> 4, NULL, 'div_precision_increment'),
  IF(@@SESSION.max_sort_length <=> 1024, NULL, 'max_sort_length'),
  IF(@@SESSION.sql_notes <=> 1, NULL, 'sql_notes'),
  IF(@@SESSION.group_concat_max_len <=> 1000000, NULL, 'group_concat_max_len'),
  IF(@@SESSION.character_set_client <=> 'utf8mb4', NULL, 'character_set_client'),
  IF(@@SESSION.character_set_connection <=> 'utf8mb4', NULL, 'character_set_connection'),
  IF(@@SESSION.character_set_results <=> 'utf8mb4', NULL, 'character_set_results'),
  IF(@@SESSION.collation_connection <=> 'utf8mb4_bin', NULL, 'collation_connection'));
SET @s = IF(VERSION() LIKE '%MariaDB%',
  'SET @wrong = CONCAT_WS('', '', NULLIF(@wrong, ''''), IF(@@SESSION.tx_isolation <=> ''READ-COMMITTED'', NULL, ''tx_isolation''), IF(@@SESSION.tx_read_only <=> 0, NULL, ''tx_read_only''), IF(@@SESSION.max_statement_time <=> 0, NULL, ''max_statement_time''), IF(@@SESSION.old_mode <=> '''', NULL, ''old_mode''), IF(@@SESSION.sql_if_exists <=> 0, NULL, ''sql_if_exists''), IF(@@SESSION.check_constraint_checks <=> 1, NULL, ''check_constraint_checks''), IF(@@SESSION.innodb_strict_mode <=> 1, NULL, ''innodb_strict_mode''), IF(@@SESSION.max_error_count <=> 64, NULL, ''max_error_count''), IF(@@SESSION.system_versioning_asof <=> ''DEFAULT'', NULL, ''system_versioning_asof''))',
  'SET @wrong = CONCAT_WS('', '', NULLIF(@wrong, ''''), IF(@@SESSION.transaction_isolation <=> ''READ-COMMITTED'', NULL, ''transaction_isolation''), IF(@@SESSION.transaction_read_only <=> 0, NULL, ''transaction_read_only''), IF(@@SESSION.max_execution_time <=> 0, NULL, ''max_execution_time''))');
PREPARE s FROM @s; EXECUTE s;
SET @stop = @ok AND NOT COALESCE((@wrong = ''), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the session does not keep what the script sets: ', @wrong), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((DATABASE() IS NOT NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'no database is named; call mysql with the name of the database'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @user = CURRENT_USER();
SET @host = SUBSTRING_INDEX(@user, '@', -1);
SET @grantee = CONCAT('''', LEFT(@user, CHAR_LENGTH(@user) - CHAR_LENGTH(@host) - 1), '''@''',
  @host, '''');
SET @granted = (SELECT GROUP_CONCAT(DISTINCT privilege_type) FROM (
  SELECT privilege_type, grantee, '%' AS pattern FROM information_schema.user_privileges UNION ALL
  SELECT privilege_type, grantee, table_schema FROM information_schema.schema_privileges UNION ALL
  SELECT privilege_type, grantee, table_schema FROM information_schema.table_privileges) p
  WHERE privilege_type <> 'USAGE'
  AND CONVERT(grantee USING utf8mb4) COLLATE utf8mb4_bin = @grantee
  AND CONVERT(DATABASE() USING utf8mb4) LIKE CONVERT(pattern USING utf8mb4) COLLATE utf8mb4_bin);
SET @lacks = NULLIF(CONCAT_WS(', ', IF(NOT FIND_IN_SET('SELECT', @granted), 'SELECT', NULL),
  IF(NOT FIND_IN_SET('INSERT', @granted), 'INSERT', NULL),
  IF(NOT FIND_IN_SET('DELETE', @granted), 'DELETE', NULL),
  IF(NOT FIND_IN_SET('CREATE', @granted), 'CREATE', NULL),
  IF(NOT FIND_IN_SET('ALTER', @granted), 'ALTER', NULL),
  IF(NOT FIND_IN_SET('INDEX', @granted), 'INDEX', NULL),
  IF(NOT FIND_IN_SET('DROP', @granted), 'DROP', NULL),
  IF(NOT FIND_IN_SET('REFERENCES', @granted) AND VERSION() NOT LIKE '%MariaDB%', 'REFERENCES', NULL),
  IF(NOT FIND_IN_SET('CREATE VIEW', @granted), 'CREATE VIEW', NULL),
  IF(NOT FIND_IN_SET('CREATE TEMPORARY TABLES', @granted), 'CREATE TEMPORARY TABLES', NULL)), '');
SET @stop = @ok AND NOT COALESCE((@lacks IS NULL OR NOT (@granted IS NOT NULL AND COALESCE(CURRENT_ROLE(), 'NONE') = 'NONE')), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'user ', @user, ' lacks these rights: ', @lacks, '; grants.sql grants them'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((@@GLOBAL.local_infile), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'local_infile is off on this server; an administrator can turn it on: SET GLOBAL local_infile = 1'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
CREATE TEMPORARY TABLE cpexport_lines (line BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  crc INT UNSIGNED NOT NULL) ENGINE=InnoDB;
DELETE FROM cpexport_lines;
LOAD DATA LOCAL INFILE 'import.sql' INTO TABLE cpexport_lines CHARACTER SET binary
  FIELDS TERMINATED BY '\0' ESCAPED BY '' LINES TERMINATED BY '\n' (@line) SET crc = CRC32(@line);
SELECT COUNT(*), COALESCE(SUM(crc), 0) FROM cpexport_lines INTO @lines, @crc;
SET @stop = @ok AND NOT COALESCE((@lines > 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the client did not send ', 'import.sql', '; see the error before this one'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((GET_LOCK(CONCAT('cpexport ', LEFT(SHA2(COALESCE(DATABASE(), ''), 256), 40)), 60) = 1), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'another script is running on this database'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
CREATE TEMPORARY TABLE cpexport_known (signature VARCHAR(64) NOT NULL,
  digest VARCHAR(64) NOT NULL, PRIMARY KEY (signature, digest)) ENGINE=InnoDB
  DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TEMPORARY TABLE cpexport_tables (t VARCHAR(64) NOT NULL PRIMARY KEY, own INT NOT NULL)
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_columns (t VARCHAR(64) NOT NULL, n INT NOT NULL,
  c VARCHAR(64) NOT NULL, type VARCHAR(64) NOT NULL, position INT, object_name TEXT, feature TEXT,
  kind VARCHAR(64), PRIMARY KEY (t, c))
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_there (t VARCHAR(64) NOT NULL, c VARCHAR(64) NOT NULL,
  type VARCHAR(64) NOT NULL, PRIMARY KEY (t, c))
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
CREATE TEMPORARY TABLE cpexport_ledger (t VARCHAR(64) NOT NULL, c VARCHAR(64) NOT NULL,
  position INT NOT NULL, object_name TEXT, feature TEXT, kind VARCHAR(64), PRIMARY KEY (t, c))
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO cpexport_columns VALUES
  ('_cpexport_batches', 1, 'batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 2, 'prefix', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 3, 'table_number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 4, 'path', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 5, 'format', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 6, 'signature', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 7, 'fingerprint', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 8, 'image_sets', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 9, 'complete', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 10, 'refused', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 11, 'group_tags', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 12, 'state', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 13, 'reason', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 14, 'finished', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 15, 'modified_ns', 'BIGINT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 16, 'cellprofiler', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 17, 'pipeline_sha256', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 18, 'loaded_utc', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_batches', 19, 'cpexport', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_columns', 1, 'prefix', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_columns', 2, 'position', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_columns', 3, 'object_name', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_columns', 4, 'feature', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_columns', 5, 'table_name', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_columns', 6, 'column_name', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_columns', 7, 'type', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_feature_sets', 1, 'digest', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_feature_sets', 2, 'batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_feature_sets', 3, 'features', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_features', 1, 'batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_features', 2, 'digest', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_measured', 1, 'batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_measured', 2, 'feature', 'VARCHAR(255)', NULL, NULL, NULL, NULL),
  ('_cpexport_measured', 3, 'value', 'DOUBLE', NULL, NULL, NULL, NULL),
  ('_cpexport_numbers', 1, 'prefix', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_numbers', 2, 'table_number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_numbers', 3, 'digest', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_numbers', 4, 'number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_replaced', 1, 'batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_replaced', 2, 'by_batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_replaced', 3, 'set_count', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_runs', 1, 'prefix', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_runs', 2, 'table_number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_runs', 3, 'name', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_sets', 1, 'prefix', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_sets', 2, 'table_number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_sets', 3, 'number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_sets', 4, 'batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_sets', 5, 'identity', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_settings', 1, 'prefix', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_settings', 2, 'table_number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_settings', 3, 'name', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_settings', 4, 'value', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_tables', 1, 'batch_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_tables', 2, 'table_name', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_tables', 3, 'row_count', 'BIGINT', NULL, NULL, NULL, NULL),
  ('_cpexport_tables', 4, 'missing_count', 'BIGINT', NULL, NULL, NULL, NULL),
  ('_cpexport_tables', 5, 'infinite_count', 'BIGINT', NULL, NULL, NULL, NULL),
  ('_cpexport_tables', 6, 'infinite_columns', 'LONGTEXT', NULL, NULL, NULL, NULL),
  ('_cpexport_script', 1, 'prefix', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_script', 2, 'table_number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('_cpexport_script', 3, 'signature', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_script', 4, 'table_name', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('_cpexport_script', 5, 'digest', 'VARCHAR(64)', NULL, NULL, NULL, NULL),
  ('Per_Image', 1, 'ImageNumber', 'INTEGER', 1, 'Image', 'ImageNumber', 'integer'),
  ('Per_Image', 2, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn', 'BIGINT', 2, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBin', 'integer'),
  ('Per_Image', 3, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn', 'DOUBLE', 3, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBin', 'real'),
  ('Per_Image', 4, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn', 'BIGINT', 4, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBin', 'integer'),
  ('Per_Image', 5, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn', 'DOUBLE', 5, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBin', 'real'),
  ('Per_Image', 6, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn', 'BIGINT', 6, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBin', 'integer'),
  ('Per_Image', 7, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn', 'DOUBLE', 7, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBin', 'real'),
  ('Per_Image', 8, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn', 'BIGINT', 8, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBin', 'integer'),
  ('Per_Image', 9, 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn', 'DOUBLE', 9, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBin', 'real'),
  ('Per_Image', 10, 'Image_Count_BigNuclei', 'BIGINT', 10, 'Image', 'Count_BigNuclei', 'integer'),
  ('Per_Image', 11, 'Image_Count_Cells', 'BIGINT', 11, 'Image', 'Count_Cells', 'integer'),
  ('Per_Image', 12, 'Image_Count_Cytoplasm', 'BIGINT', 12, 'Image', 'Count_Cytoplasm', 'integer'),
  ('Per_Image', 13, 'Image_Count_Nuclei', 'BIGINT', 13, 'Image', 'Count_Nuclei', 'integer'),
  ('Per_Image', 14, 'Image_Count_SmallNuclei', 'BIGINT', 14, 'Image', 'Count_SmallNuclei', 'integer'),
  ('Per_Image', 15, 'Image_ExecutionTime_01LoadData', 'DOUBLE', 15, 'Image', 'ExecutionTime_01LoadData', 'real'),
  ('Per_Image', 16, 'Image_ExecutionTime_02IdentifyPrimaryObjects', 'DOUBLE', 16, 'Image', 'ExecutionTime_02IdentifyPrimaryObjects', 'real'),
  ('Per_Image', 17, 'Image_ExecutionTime_03IdentifySecondaryObjects', 'DOUBLE', 17, 'Image', 'ExecutionTime_03IdentifySecondaryObjects', 'real'),
  ('Per_Image', 18, 'Image_ExecutionTime_04IdentifyTertiaryObjects', 'DOUBLE', 18, 'Image', 'ExecutionTime_04IdentifyTertiaryObjects', 'real'),
  ('Per_Image', 19, 'Image_ExecutionTime_05MeasureObjectSizeShape', 'DOUBLE', 19, 'Image', 'ExecutionTime_05MeasureObjectSizeShape', 'real'),
  ('Per_Image', 20, 'Image_ExecutionTime_06MeasureObjectIntensity', 'DOUBLE', 20, 'Image', 'ExecutionTime_06MeasureObjectIntensity', 'real'),
  ('Per_Image', 21, 'Image_ExecutionTime_07MeasureImageIntensity', 'DOUBLE', 21, 'Image', 'ExecutionTime_07MeasureImageIntensity', 'real'),
  ('Per_Image', 22, 'Image_ExecutionTime_08MeasureObjectNeighbors', 'DOUBLE', 22, 'Image', 'ExecutionTime_08MeasureObjectNeighbors', 'real'),
  ('Per_Image', 23, 'Image_ExecutionTime_09FilterObjects', 'DOUBLE', 23, 'Image', 'ExecutionTime_09FilterObjects', 'real'),
  ('Per_Image', 24, 'Image_ExecutionTime_10RelateObjects', 'DOUBLE', 24, 'Image', 'ExecutionTime_10RelateObjects', 'real'),
  ('Per_Image', 25, 'Image_ExecutionTime_11ClassifyObjects', 'DOUBLE', 25, 'Image', 'ExecutionTime_11ClassifyObjects', 'real'),
  ('Per_Image', 26, 'Image_ExecutionTime_12FlagImage', 'DOUBLE', 26, 'Image', 'ExecutionTime_12FlagImage', 'real'),
  ('Per_Image', 27, 'Image_FileName_DNA', 'TEXT', 27, 'Image', 'FileName_DNA', 'text'),
  ('Per_Image', 28, 'Image_FileName_ER', 'TEXT', 28, 'Image', 'FileName_ER', 'text'),
  ('Per_Image', 29, 'Image_Group_Index', 'BIGINT', 29, 'Image', 'Group_Index', 'integer'),
  ('Per_Image', 30, 'Image_Group_Length', 'BIGINT', 30, 'Image', 'Group_Length', 'integer'),
  ('Per_Image', 31, 'Image_Group_Number', 'BIGINT', 31, 'Image', 'Group_Number', 'integer'),
  ('Per_Image', 32, 'Image_Height_DNA', 'BIGINT', 32, 'Image', 'Height_DNA', 'integer'),
  ('Per_Image', 33, 'Image_Height_ER', 'BIGINT', 33, 'Image', 'Height_ER', 'integer'),
  ('Per_Image', 34, 'Image_Intensity_LowerQuartileIntensity_DNA', 'DOUBLE', 34, 'Image', 'Intensity_LowerQuartileIntensity_DNA', 'real'),
  ('Per_Image', 35, 'Image_Intensity_LowerQuartileIntensity_ER', 'DOUBLE', 35, 'Image', 'Intensity_LowerQuartileIntensity_ER', 'real'),
  ('Per_Image', 36, 'Image_Intensity_MADIntensity_DNA', 'DOUBLE', 36, 'Image', 'Intensity_MADIntensity_DNA', 'real'),
  ('Per_Image', 37, 'Image_Intensity_MADIntensity_ER', 'DOUBLE', 37, 'Image', 'Intensity_MADIntensity_ER', 'real'),
  ('Per_Image', 38, 'Image_Intensity_MaxIntensity_DNA', 'DOUBLE', 38, 'Image', 'Intensity_MaxIntensity_DNA', 'real'),
  ('Per_Image', 39, 'Image_Intensity_MaxIntensity_ER', 'DOUBLE', 39, 'Image', 'Intensity_MaxIntensity_ER', 'real'),
  ('Per_Image', 40, 'Image_Intensity_MeanIntensity_DNA', 'DOUBLE', 40, 'Image', 'Intensity_MeanIntensity_DNA', 'real'),
  ('Per_Image', 41, 'Image_Intensity_MeanIntensity_ER', 'DOUBLE', 41, 'Image', 'Intensity_MeanIntensity_ER', 'real'),
  ('Per_Image', 42, 'Image_Intensity_MedianIntensity_DNA', 'DOUBLE', 42, 'Image', 'Intensity_MedianIntensity_DNA', 'real'),
  ('Per_Image', 43, 'Image_Intensity_MedianIntensity_ER', 'DOUBLE', 43, 'Image', 'Intensity_MedianIntensity_ER', 'real'),
  ('Per_Image', 44, 'Image_Intensity_MinIntensity_DNA', 'DOUBLE', 44, 'Image', 'Intensity_MinIntensity_DNA', 'real'),
  ('Per_Image', 45, 'Image_Intensity_MinIntensity_ER', 'DOUBLE', 45, 'Image', 'Intensity_MinIntensity_ER', 'real'),
  ('Per_Image', 46, 'Image_Intensity_PercentMaximal_DNA', 'DOUBLE', 46, 'Image', 'Intensity_PercentMaximal_DNA', 'real'),
  ('Per_Image', 47, 'Image_Intensity_PercentMaximal_ER', 'DOUBLE', 47, 'Image', 'Intensity_PercentMaximal_ER', 'real'),
  ('Per_Image', 48, 'Image_Intensity_StdIntensity_DNA', 'DOUBLE', 48, 'Image', 'Intensity_StdIntensity_DNA', 'real'),
  ('Per_Image', 49, 'Image_Intensity_StdIntensity_ER', 'DOUBLE', 49, 'Image', 'Intensity_StdIntensity_ER', 'real'),
  ('Per_Image', 50, 'Image_Intensity_TotalArea_DNA', 'BIGINT', 50, 'Image', 'Intensity_TotalArea_DNA', 'integer'),
  ('Per_Image', 51, 'Image_Intensity_TotalArea_ER', 'BIGINT', 51, 'Image', 'Intensity_TotalArea_ER', 'integer'),
  ('Per_Image', 52, 'Image_Intensity_TotalIntensity_DNA', 'DOUBLE', 52, 'Image', 'Intensity_TotalIntensity_DNA', 'real'),
  ('Per_Image', 53, 'Image_Intensity_TotalIntensity_ER', 'DOUBLE', 53, 'Image', 'Intensity_TotalIntensity_ER', 'real'),
  ('Per_Image', 54, 'Image_Intensity_UpperQuartileIntensity_DNA', 'DOUBLE', 54, 'Image', 'Intensity_UpperQuartileIntensity_DNA', 'real'),
  ('Per_Image', 55, 'Image_Intensity_UpperQuartileIntensity_ER', 'DOUBLE', 55, 'Image', 'Intensity_UpperQuartileIntensity_ER', 'real'),
  ('Per_Image', 56, 'Image_MD5Digest_DNA', 'TEXT', 56, 'Image', 'MD5Digest_DNA', 'text'),
  ('Per_Image', 57, 'Image_MD5Digest_ER', 'TEXT', 57, 'Image', 'MD5Digest_ER', 'text'),
  ('Per_Image', 58, 'Image_Metadata_Compound', 'TEXT', 58, 'Image', 'Metadata_Compound', 'text'),
  ('Per_Image', 59, 'Image_Metadata_Dose', 'BIGINT', 59, 'Image', 'Metadata_Dose', 'integer'),
  ('Per_Image', 60, 'Image_Metadata_Plate', 'VARCHAR(255)', 60, 'Image', 'Metadata_Plate', 'text'),
  ('Per_Image', 61, 'Image_Metadata_QCFlag', 'BIGINT', 61, 'Image', 'Metadata_QCFlag', 'integer'),
  ('Per_Image', 62, 'Image_Metadata_Site', 'BIGINT', 62, 'Image', 'Metadata_Site', 'integer'),
  ('Per_Image', 63, 'Image_Metadata_Well', 'VARCHAR(255)', 63, 'Image', 'Metadata_Well', 'text'),
  ('Per_Image', 64, 'Image_PathName_DNA', 'TEXT', 64, 'Image', 'PathName_DNA', 'text'),
  ('Per_Image', 65, 'Image_PathName_ER', 'TEXT', 65, 'Image', 'PathName_ER', 'text'),
  ('Per_Image', 66, 'Image_Scaling_DNA', 'DOUBLE', 66, 'Image', 'Scaling_DNA', 'real'),
  ('Per_Image', 67, 'Image_Scaling_ER', 'DOUBLE', 67, 'Image', 'Scaling_ER', 'real'),
  ('Per_Image', 68, 'Image_Threshold_FinalThreshold_Cells', 'DOUBLE', 68, 'Image', 'Threshold_FinalThreshold_Cells', 'real'),
  ('Per_Image', 69, 'Image_Threshold_FinalThreshold_Nuclei', 'DOUBLE', 69, 'Image', 'Threshold_FinalThreshold_Nuclei', 'real'),
  ('Per_Image', 70, 'Image_Threshold_OrigThreshold_Cells', 'DOUBLE', 70, 'Image', 'Threshold_OrigThreshold_Cells', 'real'),
  ('Per_Image', 71, 'Image_Threshold_OrigThreshold_Nuclei', 'DOUBLE', 71, 'Image', 'Threshold_OrigThreshold_Nuclei', 'real'),
  ('Per_Image', 72, 'Image_Threshold_SumOfEntropies_Cells', 'DOUBLE', 72, 'Image', 'Threshold_SumOfEntropies_Cells', 'real'),
  ('Per_Image', 73, 'Image_Threshold_SumOfEntropies_Nuclei', 'DOUBLE', 73, 'Image', 'Threshold_SumOfEntropies_Nuclei', 'real'),
  ('Per_Image', 74, 'Image_Threshold_WeightedVariance_Cells', 'DOUBLE', 74, 'Image', 'Threshold_WeightedVariance_Cells', 'real'),
  ('Per_Image', 75, 'Image_Threshold_WeightedVariance_Nuclei', 'DOUBLE', 75, 'Image', 'Threshold_WeightedVariance_Nuclei', 'real'),
  ('Per_Image', 76, 'Image_URL_DNA', 'TEXT', 76, 'Image', 'URL_DNA', 'text'),
  ('Per_Image', 77, 'Image_URL_ER', 'TEXT', 77, 'Image', 'URL_ER', 'text'),
  ('Per_Image', 78, 'Image_Width_DNA', 'BIGINT', 78, 'Image', 'Width_DNA', 'integer'),
  ('Per_Image', 79, 'Image_Width_ER', 'BIGINT', 79, 'Image', 'Width_ER', 'integer'),
  ('Per_RelationshipTypes', 1, 'relationship_type_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('Per_RelationshipTypes', 2, 'module_number', 'INTEGER', NULL, NULL, NULL, NULL),
  ('Per_RelationshipTypes', 3, 'relationship', 'VARCHAR(255)', NULL, NULL, NULL, NULL),
  ('Per_RelationshipTypes', 4, 'object_name1', 'VARCHAR(255)', NULL, NULL, NULL, NULL),
  ('Per_RelationshipTypes', 5, 'object_name2', 'VARCHAR(255)', NULL, NULL, NULL, NULL),
  ('Per_Relationships', 1, 'relationship_type_id', 'INTEGER', NULL, NULL, NULL, NULL),
  ('Per_Relationships', 2, 'image_number1', 'INTEGER', NULL, NULL, NULL, NULL),
  ('Per_Relationships', 3, 'object_number1', 'INTEGER', NULL, NULL, NULL, NULL),
  ('Per_Relationships', 4, 'image_number2', 'INTEGER', NULL, NULL, NULL, NULL),
  ('Per_Relationships', 5, 'object_number2', 'INTEGER', NULL, NULL, NULL, NULL),
  ('Per_Experiment', 1, 'Pipeline_Pipeline', 'LONGBLOB', NULL, NULL, NULL, NULL),
  ('Per_Experiment', 2, 'CellProfiler_Version', 'TEXT', NULL, NULL, NULL, NULL),
  ('Per_Experiment', 3, 'Run_Timestamp', 'TEXT', NULL, NULL, NULL, NULL),
  ('Per_Experiment', 4, 'Modification_Timestamp', 'TEXT', NULL, NULL, NULL, NULL);
INSERT INTO cpexport_tables VALUES
  ('_cpexport_batches', 1),
  ('_cpexport_columns', 1),
  ('_cpexport_feature_sets', 1),
  ('_cpexport_features', 1),
  ('_cpexport_measured', 1),
  ('_cpexport_numbers', 1),
  ('_cpexport_replaced', 1),
  ('_cpexport_runs', 1),
  ('_cpexport_sets', 1),
  ('_cpexport_settings', 1),
  ('_cpexport_tables', 1),
  ('_cpexport_script', 1),
  ('Per_Image', 0),
  ('Per_RelationshipTypes', 0),
  ('Per_Relationships', 0),
  ('Per_Experiment', 0);
INSERT INTO cpexport_known VALUES
  ('<sha>', '<sha>');
DELETE FROM cpexport_there;
INSERT INTO cpexport_there SELECT i.table_name, i.column_name, LOWER(i.data_type)
  FROM information_schema.columns i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND i.extra NOT LIKE '%INVISIBLE%';
SET @t = (SELECT MIN(k.t) FROM cpexport_tables k JOIN (cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c) ON w.t = k.t
  WHERE COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1) AND k.own
  AND EXISTS (SELECT 1 FROM information_schema.tables x WHERE x.table_schema = DATABASE()
    AND CONVERT(x.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t));
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the tables are from another version of cpexport'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE(((SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'Experiment') = 0 OR (SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'Experiment' AND column_name IN ('experiment_id', 'name')) = 2), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the database has a table ', 'Experiment', ' that cpexport did not create'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE(((SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'Experiment_Properties') = 0 OR (SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'Experiment_Properties' AND column_name IN ('experiment_id', 'object_name', 'field', 'value')) = 4), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the database has a table ', 'Experiment_Properties', ' that cpexport did not create'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @s = IF((SELECT COUNT(*) FROM information_schema.tables
  WHERE table_schema = DATABASE() AND table_name = '_cpexport_columns'),
  'INSERT INTO cpexport_ledger SELECT table_name, column_name, position, object_name, feature, type FROM _cpexport_columns WHERE prefix = ''''', 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @t = (SELECT MIN(k.t) FROM cpexport_tables k JOIN (cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c) ON w.t = k.t
  WHERE COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1) AND NOT k.own AND k.t NOT IN (SELECT t FROM cpexport_ledger)
  AND EXISTS (SELECT 1 FROM information_schema.tables x WHERE x.table_schema = DATABASE()
    AND CONVERT(x.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t));
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the database has a table ', @t, ' that cpexport did not create'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @t = (SELECT MIN(i.t) FROM cpexport_there i LEFT JOIN cpexport_columns w
  ON w.t = i.t AND w.c = i.c WHERE w.c IS NULL AND i.t NOT IN (SELECT t FROM cpexport_ledger)
  AND i.t <> 'Per_Experiment');
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the database has a table ', @t, ' that cpexport did not create'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE(((SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND LOWER(table_name) = 'per_relationshipsview' AND NOT (table_type = 'VIEW' AND EXISTS (SELECT 1 FROM cpexport_ledger))) = 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'Per_RelationshipsView', ' is from another program'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
CREATE TABLE IF NOT EXISTS _cpexport_batches (
	batch_id INTEGER NOT NULL AUTO_INCREMENT,
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	path LONGTEXT NOT NULL,
	format LONGTEXT NOT NULL,
	signature VARCHAR(64) NOT NULL,
	fingerprint LONGTEXT NOT NULL,
	image_sets LONGTEXT NOT NULL,
	complete LONGTEXT NOT NULL,
	refused LONGTEXT NOT NULL,
	group_tags LONGTEXT NOT NULL,
	state LONGTEXT NOT NULL,
	reason LONGTEXT NOT NULL,
	finished LONGTEXT NOT NULL,
	modified_ns BIGINT NOT NULL,
	cellprofiler LONGTEXT,
	pipeline_sha256 LONGTEXT,
	loaded_utc LONGTEXT NOT NULL,
	cpexport LONGTEXT NOT NULL,
	PRIMARY KEY (batch_id),
	UNIQUE (prefix, table_number, signature)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_columns (
	prefix VARCHAR(64) NOT NULL,
	position INTEGER NOT NULL,
	object_name LONGTEXT NOT NULL,
	feature LONGTEXT NOT NULL,
	table_name VARCHAR(64) NOT NULL,
	column_name LONGTEXT NOT NULL,
	type LONGTEXT NOT NULL,
	PRIMARY KEY (prefix, position)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_feature_sets (
	digest VARCHAR(64) NOT NULL,
	batch_id INTEGER NOT NULL,
	features LONGTEXT NOT NULL,
	PRIMARY KEY (digest, batch_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_features (
	batch_id INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	PRIMARY KEY (batch_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_measured (
	batch_id INTEGER NOT NULL,
	feature VARCHAR(255) NOT NULL,
	value DOUBLE,
	PRIMARY KEY (batch_id, feature)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_numbers (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	number INTEGER NOT NULL,
	PRIMARY KEY (prefix, table_number, digest)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_replaced (
	batch_id INTEGER NOT NULL,
	by_batch_id INTEGER NOT NULL,
	set_count INTEGER NOT NULL,
	PRIMARY KEY (batch_id, by_batch_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_runs (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	PRIMARY KEY (prefix, table_number),
	UNIQUE (prefix, name)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_sets (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	number INTEGER NOT NULL,
	batch_id INTEGER NOT NULL,
	identity LONGTEXT NOT NULL,
	PRIMARY KEY (prefix, table_number, number)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_settings (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	value LONGTEXT NOT NULL,
	PRIMARY KEY (prefix, table_number, name)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_tables (
	batch_id INTEGER NOT NULL,
	table_name VARCHAR(64) NOT NULL,
	row_count BIGINT NOT NULL,
	missing_count BIGINT NOT NULL,
	infinite_count BIGINT NOT NULL,
	infinite_columns LONGTEXT NOT NULL,
	PRIMARY KEY (batch_id, table_name)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS _cpexport_script (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	signature VARCHAR(64) NOT NULL,
	table_name VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	PRIMARY KEY (prefix, table_number, signature, table_name)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS `Experiment` (
	experiment_id INTEGER NOT NULL AUTO_INCREMENT,
	name TEXT,
	PRIMARY KEY (experiment_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS `Experiment_Properties` (
	experiment_id INTEGER NOT NULL,
	object_name VARCHAR(200) NOT NULL,
	field VARCHAR(200) NOT NULL,
	value LONGTEXT,
	PRIMARY KEY (experiment_id, object_name, field)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
DELETE FROM cpexport_there;
INSERT INTO cpexport_there SELECT i.table_name, i.column_name, LOWER(i.data_type)
  FROM information_schema.columns i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND i.extra NOT LIKE '%INVISIBLE%';
SET @t = (SELECT MIN(w.t) FROM cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c JOIN cpexport_tables k ON k.t = w.t WHERE k.own AND COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1));
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the server did not make ', @t, '; see the error before this one'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
START TRANSACTION;
INSERT INTO _cpexport_settings SELECT '', 0, 'schema', '2' FROM DUAL WHERE @ok AND (SELECT COUNT(*) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema') = 0;
SET @stop = @ok AND NOT COALESCE(((SELECT COUNT(*) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema' AND value <> '2') = 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the tables are from another version of cpexport'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SELECT value INTO @schema FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema' FOR UPDATE;
DELETE FROM cpexport_there;
INSERT INTO cpexport_there SELECT i.table_name, i.column_name, LOWER(i.data_type)
  FROM information_schema.columns i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND i.extra NOT LIKE '%INVISIBLE%';
DELETE FROM cpexport_ledger;
INSERT INTO cpexport_ledger SELECT table_name, column_name, position, object_name, feature, type FROM _cpexport_columns WHERE prefix = '';
SET @t = (SELECT MIN(k.t) FROM cpexport_tables k JOIN (cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c) ON w.t = k.t
  WHERE COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1) AND NOT k.own AND k.t NOT IN (SELECT t FROM cpexport_ledger)
  AND EXISTS (SELECT 1 FROM information_schema.tables x WHERE x.table_schema = DATABASE()
    AND CONVERT(x.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t));
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the database has a table ', @t, ' that cpexport did not create'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @t = (SELECT MIN(i.t) FROM cpexport_there i LEFT JOIN cpexport_columns w
  ON w.t = i.t AND w.c = i.c WHERE w.c IS NULL AND i.t NOT IN (SELECT t FROM cpexport_ledger)
  AND i.t <> 'Per_Experiment');
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the database has a table ', @t, ' that cpexport did not create'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE(((SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND LOWER(table_name) = 'per_relationshipsview' AND NOT (table_type = 'VIEW' AND EXISTS (SELECT 1 FROM cpexport_ledger))) = 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'Per_RelationshipsView', ' is from another program'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @t = (SELECT MIN(w.t) FROM cpexport_columns w LEFT JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c WHERE w.position IS NOT NULL
  AND IF(l.t IS NULL, (w.object_name, w.feature) IN (SELECT object_name, feature FROM _cpexport_columns WHERE prefix = ''),
    BINARY w.object_name <> l.object_name OR BINARY w.feature <> l.feature));
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', @t, ' has other columns'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @t = (SELECT MIN(w.t) FROM cpexport_columns w LEFT JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c WHERE w.kind = 'text' AND l.kind IN ('integer', 'real'));
SET @stop = @ok AND NOT COALESCE((@t IS NULL OR (SELECT COUNT(*) FROM _cpexport_batches b WHERE prefix = '' AND NOT EXISTS (SELECT 1 FROM _cpexport_script s WHERE s.prefix = b.prefix AND s.table_number = b.table_number AND s.signature = b.signature)) = 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', @t, ' has text now; use cpexport load'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @big = 0, @s = (SELECT CONCAT('SELECT COUNT(*) INTO @big FROM (', GROUP_CONCAT(
  'SELECT 1 FROM `', w.t, '` WHERE ABS(`', w.c, '`) > 9007199254740992' SEPARATOR ' UNION ALL '), ') x')
  FROM cpexport_columns w LEFT JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c WHERE w.kind = 'real' AND l.kind = 'integer');
SET @s = COALESCE(@s, 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @stop = @ok AND NOT COALESCE((@big = 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'integers have too many digits to become real numbers'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @unknown = (SELECT MIN(w.t) FROM cpexport_columns w LEFT JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c
  WHERE FIELD(l.kind, 'none yet', 'integer', 'real', 'text') > FIELD(w.kind, 'none yet', 'integer', 'real', 'text') AND w.kind <> 'none yet' AND l.kind = 'text');
SET @unknown = COALESCE(@unknown, (SELECT MIN(l.t)
  FROM cpexport_ledger l LEFT JOIN cpexport_tables k ON k.t = l.t
  WHERE k.t IS NULL AND l.object_name IN (SELECT object_name FROM cpexport_columns)));
UPDATE cpexport_columns w JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c
  SET w.kind = l.kind, w.type = CASE WHEN l.kind = 'integer' THEN 'BIGINT'
    WHEN l.kind = 'real' THEN 'DOUBLE' WHEN w.feature LIKE 'Thumbnail\_%' THEN 'LONGTEXT'
    ELSE 'TEXT' END WHERE FIELD(l.kind, 'none yet', 'integer', 'real', 'text') > FIELD(w.kind, 'none yet', 'integer', 'real', 'text');
SET @stop = @ok AND NOT COALESCE(((SELECT COUNT(*) FROM _cpexport_settings WHERE prefix = '' AND name = 'shape' AND value <> '{"layout": "none", "only": [], "aggregate": [], "max_column_length": 64, "numbered": false, "paths": {"pairs": []}}') = 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the tables were made with other options'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
INSERT INTO _cpexport_settings SELECT '', 0, 'shape', '{"layout": "none", "only": [], "aggregate": [], "max_column_length": 64, "numbered": false, "paths": {"pairs": []}}' FROM DUAL WHERE @ok AND (SELECT COUNT(*) FROM _cpexport_settings WHERE prefix = '' AND name = 'shape') = 0;
DELETE FROM _cpexport_columns WHERE @ok AND prefix = '';
SET @last = (SELECT COALESCE(MAX(position), 0) FROM cpexport_ledger);
INSERT INTO _cpexport_columns SELECT '', l.position, l.object_name, l.feature, l.t, l.c,
  COALESCE(w.kind, l.kind) FROM cpexport_ledger l LEFT JOIN cpexport_columns w
  ON w.t = l.t AND w.c = l.c WHERE @ok;
INSERT INTO _cpexport_columns SELECT '', @last + w.position, w.object_name, w.feature, w.t,
  w.c, w.kind FROM cpexport_columns w LEFT JOIN cpexport_ledger l ON l.t = w.t AND l.c = w.c WHERE @ok AND l.t IS NULL AND w.position IS NOT NULL;
REPLACE INTO _cpexport_settings SELECT '', 0, 'layout', UUID() FROM DUAL WHERE @ok;
REPLACE INTO _cpexport_settings SELECT '', 0, 'changing', 'yes' FROM DUAL WHERE @ok;
SET @s = IF(@ok, 'COMMIT', 'ROLLBACK');
PREPARE s FROM @s; EXECUTE s;
CREATE TABLE IF NOT EXISTS `Per_Image` (
	`ImageNumber` INTEGER NOT NULL,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn` BIGINT,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn` DOUBLE,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn` BIGINT,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn` DOUBLE,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn` BIGINT,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn` DOUBLE,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn` BIGINT,
	`Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn` DOUBLE,
	`Image_Count_BigNuclei` BIGINT,
	`Image_Count_Cells` BIGINT,
	`Image_Count_Cytoplasm` BIGINT,
	`Image_Count_Nuclei` BIGINT,
	`Image_Count_SmallNuclei` BIGINT,
	`Image_ExecutionTime_01LoadData` DOUBLE,
	`Image_ExecutionTime_02IdentifyPrimaryObjects` DOUBLE,
	`Image_ExecutionTime_03IdentifySecondaryObjects` DOUBLE,
	`Image_ExecutionTime_04IdentifyTertiaryObjects` DOUBLE,
	`Image_ExecutionTime_05MeasureObjectSizeShape` DOUBLE,
	`Image_ExecutionTime_06MeasureObjectIntensity` DOUBLE,
	`Image_ExecutionTime_07MeasureImageIntensity` DOUBLE,
	`Image_ExecutionTime_08MeasureObjectNeighbors` DOUBLE,
	`Image_ExecutionTime_09FilterObjects` DOUBLE,
	`Image_ExecutionTime_10RelateObjects` DOUBLE,
	`Image_ExecutionTime_11ClassifyObjects` DOUBLE,
	`Image_ExecutionTime_12FlagImage` DOUBLE,
	`Image_FileName_DNA` TEXT,
	`Image_FileName_ER` TEXT,
	`Image_Group_Index` BIGINT,
	`Image_Group_Length` BIGINT,
	`Image_Group_Number` BIGINT,
	`Image_Height_DNA` BIGINT,
	`Image_Height_ER` BIGINT,
	`Image_Intensity_LowerQuartileIntensity_DNA` DOUBLE,
	`Image_Intensity_LowerQuartileIntensity_ER` DOUBLE,
	`Image_Intensity_MADIntensity_DNA` DOUBLE,
	`Image_Intensity_MADIntensity_ER` DOUBLE,
	`Image_Intensity_MaxIntensity_DNA` DOUBLE,
	`Image_Intensity_MaxIntensity_ER` DOUBLE,
	`Image_Intensity_MeanIntensity_DNA` DOUBLE,
	`Image_Intensity_MeanIntensity_ER` DOUBLE,
	`Image_Intensity_MedianIntensity_DNA` DOUBLE,
	`Image_Intensity_MedianIntensity_ER` DOUBLE,
	`Image_Intensity_MinIntensity_DNA` DOUBLE,
	`Image_Intensity_MinIntensity_ER` DOUBLE,
	`Image_Intensity_PercentMaximal_DNA` DOUBLE,
	`Image_Intensity_PercentMaximal_ER` DOUBLE,
	`Image_Intensity_StdIntensity_DNA` DOUBLE,
	`Image_Intensity_StdIntensity_ER` DOUBLE,
	`Image_Intensity_TotalArea_DNA` BIGINT,
	`Image_Intensity_TotalArea_ER` BIGINT,
	`Image_Intensity_TotalIntensity_DNA` DOUBLE,
	`Image_Intensity_TotalIntensity_ER` DOUBLE,
	`Image_Intensity_UpperQuartileIntensity_DNA` DOUBLE,
	`Image_Intensity_UpperQuartileIntensity_ER` DOUBLE,
	`Image_MD5Digest_DNA` TEXT,
	`Image_MD5Digest_ER` TEXT,
	`Image_Metadata_Compound` TEXT,
	`Image_Metadata_Dose` BIGINT,
	`Image_Metadata_Plate` VARCHAR(255),
	`Image_Metadata_QCFlag` BIGINT,
	`Image_Metadata_Site` BIGINT,
	`Image_Metadata_Well` VARCHAR(255),
	`Image_PathName_DNA` TEXT,
	`Image_PathName_ER` TEXT,
	`Image_Scaling_DNA` DOUBLE,
	`Image_Scaling_ER` DOUBLE,
	`Image_Threshold_FinalThreshold_Cells` DOUBLE,
	`Image_Threshold_FinalThreshold_Nuclei` DOUBLE,
	`Image_Threshold_OrigThreshold_Cells` DOUBLE,
	`Image_Threshold_OrigThreshold_Nuclei` DOUBLE,
	`Image_Threshold_SumOfEntropies_Cells` DOUBLE,
	`Image_Threshold_SumOfEntropies_Nuclei` DOUBLE,
	`Image_Threshold_WeightedVariance_Cells` DOUBLE,
	`Image_Threshold_WeightedVariance_Nuclei` DOUBLE,
	`Image_URL_DNA` TEXT,
	`Image_URL_ER` TEXT,
	`Image_Width_DNA` BIGINT,
	`Image_Width_ER` BIGINT,
	PRIMARY KEY (`ImageNumber`)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 STATS_SAMPLE_PAGES=2000 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS `Per_RelationshipTypes` (
	relationship_type_id INTEGER NOT NULL,
	module_number INTEGER,
	relationship VARCHAR(255),
	object_name1 VARCHAR(255),
	object_name2 VARCHAR(255),
	PRIMARY KEY (relationship_type_id),
	CONSTRAINT `Per_RelationshipTypesUnique` UNIQUE (relationship_type_id, module_number, relationship, object_name1, object_name2)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;
SET @s = IF(@keys, 'CREATE TABLE IF NOT EXISTS `Per_Relationships` (\n	_cpexport_row BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY,\n	relationship_type_id INTEGER,\n	image_number1 INTEGER,\n	object_number1 INTEGER,\n	image_number2 INTEGER,\n	object_number2 INTEGER,\n	CONSTRAINT `Per_RRTypeIdFK` FOREIGN KEY(relationship_type_id) REFERENCES `Per_RelationshipTypes` (relationship_type_id),\n	CONSTRAINT `Per_RelationshipUnique` UNIQUE (relationship_type_id, image_number1, object_number1, image_number2, object_number2)\n)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin',
  'CREATE TABLE IF NOT EXISTS `Per_Relationships` (\n	relationship_type_id INTEGER,\n	image_number1 INTEGER,\n	object_number1 INTEGER,\n	image_number2 INTEGER,\n	object_number2 INTEGER,\n	CONSTRAINT `Per_RRTypeIdFK` FOREIGN KEY(relationship_type_id) REFERENCES `Per_RelationshipTypes` (relationship_type_id),\n	CONSTRAINT `Per_RelationshipUnique` UNIQUE (relationship_type_id, image_number1, object_number1, image_number2, object_number2)\n)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin');
PREPARE s FROM @s; EXECUTE s;
SET @s = IF((SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'Per_Relationships' AND index_name = 'Per_IRelationships1') = 0, 'CREATE INDEX `Per_IRelationships1` ON `Per_Relationships` (image_number1, object_number1, relationship_type_id)', 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @s = IF((SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'Per_Relationships' AND index_name = 'Per_IRelationships2') = 0, 'CREATE INDEX `Per_IRelationships2` ON `Per_Relationships` (image_number2, object_number2, relationship_type_id)', 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @s = IF(@keys, 'CREATE TABLE IF NOT EXISTS `Per_Experiment` (\n	_cpexport_row BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY,\n	`Pipeline_Pipeline` LONGBLOB,\n	`CellProfiler_Version` TEXT,\n	`Run_Timestamp` TEXT,\n	`Modification_Timestamp` TEXT\n)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin',
  'CREATE TABLE IF NOT EXISTS `Per_Experiment` (\n	`Pipeline_Pipeline` LONGBLOB,\n	`CellProfiler_Version` TEXT,\n	`Run_Timestamp` TEXT,\n	`Modification_Timestamp` TEXT\n)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin');
PREPARE s FROM @s; EXECUTE s;
DELETE FROM cpexport_there;
INSERT INTO cpexport_there SELECT i.table_name, i.column_name, LOWER(i.data_type)
  FROM information_schema.columns i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND i.extra NOT LIKE '%INVISIBLE%';
SET @s = (SELECT GROUP_CONCAT(IF(i.c IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c WHERE @ok AND w.t = 'Per_Image' AND COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1));
SET @s = COALESCE(CONCAT('ALTER TABLE `Per_Image` ', @s), 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @s = (SELECT GROUP_CONCAT(IF(i.c IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c WHERE @ok AND w.t = 'Per_RelationshipTypes' AND COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1));
SET @s = COALESCE(CONCAT('ALTER TABLE `Per_RelationshipTypes` ', @s), 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @s = (SELECT GROUP_CONCAT(IF(i.c IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c WHERE @ok AND w.t = 'Per_Relationships' AND COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1));
SET @s = COALESCE(CONCAT('ALTER TABLE `Per_Relationships` ', @s), 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @s = (SELECT GROUP_CONCAT(IF(i.c IS NULL, 'ADD', 'MODIFY'), ' COLUMN `',
    REPLACE(w.c, '`', '``'), '` ', w.type ORDER BY w.n)
  FROM cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c WHERE @ok AND w.t = 'Per_Experiment' AND COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1));
SET @s = COALESCE(CONCAT('ALTER TABLE `Per_Experiment` ', @s), 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @s = IF(@ok, 'CREATE OR REPLACE SQL SECURITY INVOKER VIEW `Per_RelationshipsView` AS SELECT T.module_number, T.relationship, T.object_name1, T.object_name2, R.image_number1, R.object_number1, R.image_number2, R.object_number2 FROM `Per_RelationshipTypes` T JOIN `Per_Relationships` R ON T.relationship_type_id = R.relationship_type_id', 'DO 0');
PREPARE s FROM @s; EXECUTE s;
SET @s = IF(@ok, 'CREATE OR REPLACE SQL SECURITY INVOKER VIEW _cpexport_current AS SELECT b.batch_id, b.prefix, b.table_number, b.path, b.state, b.loaded_utc,\n  coalesce(s.owned, 0) AS owned, coalesce(r.replaced_by, 0) AS replaced_by\nFROM _cpexport_batches b\nLEFT JOIN (SELECT batch_id, count(*) AS owned FROM _cpexport_sets GROUP BY batch_id) s\n  ON s.batch_id = b.batch_id\nLEFT JOIN (SELECT batch_id, count(*) AS replaced_by FROM _cpexport_replaced GROUP BY batch_id) r\n  ON r.batch_id = b.batch_id', 'DO 0');
PREPARE s FROM @s; EXECUTE s;
DELETE FROM cpexport_there;
INSERT INTO cpexport_there SELECT i.table_name, i.column_name, LOWER(i.data_type)
  FROM information_schema.columns i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND i.extra NOT LIKE '%INVISIBLE%';
SET @t = (SELECT MIN(w.t) FROM cpexport_columns w LEFT JOIN cpexport_there i ON i.t = w.t AND i.c = w.c WHERE COALESCE(CASE WHEN i.type = 'varchar' OR i.type LIKE '%text' THEN 'text' WHEN i.type LIKE '%int' THEN 'int' ELSE i.type END <> CASE WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') = 'varchar' OR REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%text' THEN 'text' WHEN REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') LIKE '%int' THEN 'int' ELSE REPLACE(LOWER(SUBSTRING_INDEX(w.type, '(', 1)), 'integer', 'int') END, 1));
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', @t, ' has other columns'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @t = (SELECT MIN(k.t) FROM information_schema.tables i JOIN cpexport_tables k
  ON CONVERT(i.table_name USING utf8mb4) COLLATE utf8mb4_general_ci = k.t
  WHERE i.table_schema = DATABASE() AND NOT i.engine <=> 'InnoDB');
SET @stop = @ok AND NOT COALESCE((@t IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', @t, ' is not an InnoDB table'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
START TRANSACTION;
SELECT value INTO @schema FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema' FOR UPDATE;
SET @kind1 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (3, 'Parent', 'Nuclei', 'Cells'));
INSERT INTO `Per_RelationshipTypes` SELECT COALESCE(MAX(relationship_type_id), 0) + 1, 3, 'Parent', 'Nuclei', 'Cells' FROM `Per_RelationshipTypes` HAVING @ok AND @kind1 IS NULL;
SET @kind1 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (3, 'Parent', 'Nuclei', 'Cells'));
SET @kind2 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (4, 'Parent', 'Cells', 'Cytoplasm'));
INSERT INTO `Per_RelationshipTypes` SELECT COALESCE(MAX(relationship_type_id), 0) + 1, 4, 'Parent', 'Cells', 'Cytoplasm' FROM `Per_RelationshipTypes` HAVING @ok AND @kind2 IS NULL;
SET @kind2 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (4, 'Parent', 'Cells', 'Cytoplasm'));
SET @kind3 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (4, 'Removed', 'Nuclei', 'Cytoplasm'));
INSERT INTO `Per_RelationshipTypes` SELECT COALESCE(MAX(relationship_type_id), 0) + 1, 4, 'Removed', 'Nuclei', 'Cytoplasm' FROM `Per_RelationshipTypes` HAVING @ok AND @kind3 IS NULL;
SET @kind3 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (4, 'Removed', 'Nuclei', 'Cytoplasm'));
SET @kind4 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (8, 'Neighbors', 'Nuclei', 'Nuclei'));
INSERT INTO `Per_RelationshipTypes` SELECT COALESCE(MAX(relationship_type_id), 0) + 1, 8, 'Neighbors', 'Nuclei', 'Nuclei' FROM `Per_RelationshipTypes` HAVING @ok AND @kind4 IS NULL;
SET @kind4 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (8, 'Neighbors', 'Nuclei', 'Nuclei'));
SET @kind5 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (10, 'Child', 'BigNuclei', 'Cells'));
INSERT INTO `Per_RelationshipTypes` SELECT COALESCE(MAX(relationship_type_id), 0) + 1, 10, 'Child', 'BigNuclei', 'Cells' FROM `Per_RelationshipTypes` HAVING @ok AND @kind5 IS NULL;
SET @kind5 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (10, 'Child', 'BigNuclei', 'Cells'));
SET @kind6 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (10, 'Parent', 'Cells', 'BigNuclei'));
INSERT INTO `Per_RelationshipTypes` SELECT COALESCE(MAX(relationship_type_id), 0) + 1, 10, 'Parent', 'Cells', 'BigNuclei' FROM `Per_RelationshipTypes` HAVING @ok AND @kind6 IS NULL;
SET @kind6 = (SELECT MIN(relationship_type_id) FROM `Per_RelationshipTypes` WHERE (module_number, relationship, object_name1, object_name2) = (10, 'Parent', 'Cells', 'BigNuclei'));
DELETE FROM _cpexport_settings WHERE @ok AND prefix = '' AND table_number = 0 AND name = 'changing';
COMMIT;
DO 0 /* */;
SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';
SET @ready = @ok, @all = @ok;

-- batch 1 of 1: image sets 1
SET @ok = @ready;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
START TRANSACTION;
SELECT value INTO @schema FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema' FOR UPDATE;
SET @id = COALESCE((SELECT batch_id FROM _cpexport_batches WHERE prefix = '' AND table_number = 0 AND signature = '<sha>'),
  (SELECT MIN(batch_id) FROM _cpexport_batches WHERE prefix = '' AND table_number = 0 AND fingerprint = '<sha>'));
SET @new = @id IS NULL OR COALESCE((SELECT digest <> '<sha>' FROM _cpexport_script
  WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = ''), 0);
SET @kept = (SELECT COUNT(*) = 1 AND
  COALESCE(SUM(number BETWEEN 1 AND 1), 0) = 1
  FROM _cpexport_sets WHERE prefix = '' AND table_number = 0 AND batch_id = @id);
SET @stop = @ok AND NOT COALESCE((NOT @new OR (SELECT COUNT(*) FROM _cpexport_sets s JOIN _cpexport_batches b ON b.batch_id = s.batch_id WHERE s.prefix = '' AND s.table_number = 0 AND (s.number BETWEEN 1 AND 1) AND b.signature NOT IN (SELECT signature FROM cpexport_known)) = 0), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the database has image sets ', '1', ' from other outputs'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((NOT @new OR @unknown IS NULL), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', @unknown, ' has more than this script knows; run cpexport script again, or use cpexport load'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET SESSION sql_mode = IF(@ok AND @new, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @fresh = @new AND (NOT @kept OR COALESCE((SELECT digest <> '<sha>' FROM _cpexport_script WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = 'Per_Image'), 1));
DELETE t FROM _cpexport_sets s JOIN `Per_Image` t ON t.`ImageNumber` = s.number WHERE @fresh AND s.prefix = '' AND s.table_number = 0 AND (s.batch_id = @id OR s.number BETWEEN 1 AND 1);
DELETE FROM cpexport_lines;
LOAD DATA LOCAL INFILE 'data/1_1_Image.csv' INTO TABLE cpexport_lines CHARACTER SET binary
  FIELDS TERMINATED BY '\0' ESCAPED BY '' LINES TERMINATED BY '\n' (@line) SET crc = CRC32(@line);
SELECT COUNT(*), COALESCE(SUM(crc), 0) FROM cpexport_lines INTO @lines, @crc;
SET @stop = @ok AND NOT COALESCE((@lines = 2), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Image.csv', ' has ', @lines, ' lines, not ', 2), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((@crc = 5060554837), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Image.csv', ' has changed since it was written'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
LOAD DATA LOCAL INFILE 'data/1_1_Image.csv' INTO TABLE `Per_Image` CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\' LINES STARTING BY '' TERMINATED BY '\n' IGNORE 1 LINES
  (`ImageNumber`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn`, `Image_Count_BigNuclei`, `Image_Count_Cells`, `Image_Count_Cytoplasm`, `Image_Count_Nuclei`, `Image_Count_SmallNuclei`, `Image_FileName_DNA`, `Image_FileName_ER`, `Image_Group_Index`, `Image_Group_Length`, `Image_Group_Number`, `Image_Height_DNA`, `Image_Height_ER`, `Image_Intensity_TotalArea_DNA`, `Image_Intensity_TotalArea_ER`, `Image_MD5Digest_DNA`, `Image_MD5Digest_ER`, `Image_Metadata_Compound`, `Image_Metadata_Dose`, `Image_Metadata_Plate`, `Image_Metadata_QCFlag`, `Image_Metadata_Site`, `Image_Metadata_Well`, `Image_PathName_DNA`, `Image_PathName_ER`, `Image_URL_DNA`, `Image_URL_ER`, `Image_Width_DNA`, `Image_Width_ER`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn`, `Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn`, `Image_ExecutionTime_01LoadData`, `Image_ExecutionTime_02IdentifyPrimaryObjects`, `Image_ExecutionTime_03IdentifySecondaryObjects`, `Image_ExecutionTime_04IdentifyTertiaryObjects`, `Image_ExecutionTime_05MeasureObjectSizeShape`, `Image_ExecutionTime_06MeasureObjectIntensity`, `Image_ExecutionTime_07MeasureImageIntensity`, `Image_ExecutionTime_08MeasureObjectNeighbors`, `Image_ExecutionTime_09FilterObjects`, `Image_ExecutionTime_10RelateObjects`, `Image_ExecutionTime_11ClassifyObjects`, `Image_ExecutionTime_12FlagImage`, `Image_Intensity_LowerQuartileIntensity_DNA`, `Image_Intensity_LowerQuartileIntensity_ER`, `Image_Intensity_MADIntensity_DNA`, `Image_Intensity_MADIntensity_ER`, `Image_Intensity_MaxIntensity_DNA`, `Image_Intensity_MaxIntensity_ER`, `Image_Intensity_MeanIntensity_DNA`, `Image_Intensity_MeanIntensity_ER`, `Image_Intensity_MedianIntensity_DNA`, `Image_Intensity_MedianIntensity_ER`, `Image_Intensity_MinIntensity_DNA`, `Image_Intensity_MinIntensity_ER`, `Image_Intensity_PercentMaximal_DNA`, `Image_Intensity_PercentMaximal_ER`, `Image_Intensity_StdIntensity_DNA`, `Image_Intensity_StdIntensity_ER`, `Image_Intensity_TotalIntensity_DNA`, `Image_Intensity_TotalIntensity_ER`, `Image_Intensity_UpperQuartileIntensity_DNA`, `Image_Intensity_UpperQuartileIntensity_ER`, `Image_Scaling_DNA`, `Image_Scaling_ER`, `Image_Threshold_FinalThreshold_Cells`, `Image_Threshold_FinalThreshold_Nuclei`, `Image_Threshold_OrigThreshold_Cells`, `Image_Threshold_OrigThreshold_Nuclei`, `Image_Threshold_SumOfEntropies_Cells`, `Image_Threshold_SumOfEntropies_Nuclei`, `Image_Threshold_WeightedVariance_Cells`, `Image_Threshold_WeightedVariance_Nuclei`, @end);
SELECT @@warning_count INTO @warnings;
SET @stop = @ok AND NOT COALESCE((@warnings = 0 OR NOT @fresh), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Image.csv', ' was not stored exactly'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @fresh = @new AND (NOT @kept OR COALESCE((SELECT digest <> '<sha>' FROM _cpexport_script WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = 'Per_Relationships'), 1));
DELETE t FROM _cpexport_sets s JOIN `Per_Relationships` t ON t.`image_number1` = s.number WHERE @fresh AND s.prefix = '' AND s.table_number = 0 AND (s.batch_id = @id OR s.number BETWEEN 1 AND 1);
DELETE FROM cpexport_lines;
LOAD DATA LOCAL INFILE 'data/1_1_Relationships.csv' INTO TABLE cpexport_lines CHARACTER SET binary
  FIELDS TERMINATED BY '\0' ESCAPED BY '' LINES TERMINATED BY '\n' (@line) SET crc = CRC32(@line);
SELECT COUNT(*), COALESCE(SUM(crc), 0) FROM cpexport_lines INTO @lines, @crc;
SET @stop = @ok AND NOT COALESCE((@lines = 244), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Relationships.csv', ' has ', @lines, ' lines, not ', 244), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((@crc = 497756165561), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Relationships.csv', ' has changed since it was written'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
LOAD DATA LOCAL INFILE 'data/1_1_Relationships.csv' INTO TABLE `Per_Relationships` CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\' LINES STARTING BY '' TERMINATED BY '\n' IGNORE 1 LINES
  (@kind, `image_number1`, `object_number1`, `image_number2`, `object_number2`, @end) SET relationship_type_id = ELT(@kind, @kind1, @kind2, @kind3, @kind4, @kind5, @kind6);
SELECT @@warning_count INTO @warnings;
SET @stop = @ok AND NOT COALESCE((@warnings = 0 OR NOT @fresh), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Relationships.csv', ' was not stored exactly'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @fresh = @new;
DELETE s FROM _cpexport_sets s WHERE @new AND s.prefix = '' AND s.table_number = 0 AND (s.batch_id = @id OR s.number BETWEEN 1 AND 1);
DELETE FROM _cpexport_tables WHERE @new AND batch_id = @id;
DELETE FROM _cpexport_measured WHERE @new AND batch_id = @id;
DELETE FROM _cpexport_features WHERE @new AND batch_id = @id;
DELETE FROM _cpexport_batches WHERE @new AND batch_id = @id;
DELETE FROM _cpexport_script WHERE @new AND prefix = '' AND table_number = 0 AND signature = '<sha>';
DELETE FROM _cpexport_settings WHERE @new AND prefix = '' AND table_number = 0 AND name NOT IN ('key', 'schema', 'shape', 'made', 'views', 'layout', 'changing', 'experiment_id', 'view', 'measured', 'unmeasured', 'indexes', 'places', 'planned', 'wells', 'experiment_first');
SET @id = COALESCE(@id, (SELECT COALESCE(MAX(batch_id), 0) + 1 FROM _cpexport_batches));
DELETE FROM cpexport_lines;
LOAD DATA LOCAL INFILE 'data/1_1_Sets.csv' INTO TABLE cpexport_lines CHARACTER SET binary
  FIELDS TERMINATED BY '\0' ESCAPED BY '' LINES TERMINATED BY '\n' (@line) SET crc = CRC32(@line);
SELECT COUNT(*), COALESCE(SUM(crc), 0) FROM cpexport_lines INTO @lines, @crc;
SET @stop = @ok AND NOT COALESCE((@lines = 2), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Sets.csv', ' has ', @lines, ' lines, not ', 2), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((@crc = 3095861405), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Sets.csv', ' has changed since it was written'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
LOAD DATA LOCAL INFILE 'data/1_1_Sets.csv' INTO TABLE `_cpexport_sets` CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\' LINES STARTING BY '' TERMINATED BY '\n' IGNORE 1 LINES
  (`number`, `identity`, @end) SET prefix = '', table_number = 0, batch_id = @id;
SELECT @@warning_count INTO @warnings;
SET @stop = @ok AND NOT COALESCE((@warnings = 0 OR NOT @fresh), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'data/1_1_Sets.csv', ' was not stored exactly'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
INSERT INTO _cpexport_batches SELECT @id, '', 0, '/data/P1-A01-1', 'spreadsheet', '<sha>', '<sha>', '1', '1', '', '["Metadata_Plate", "Metadata_Well", "Metadata_Site"]', 'complete', '', '<time>', <nanoseconds>, '4.2.8.1', '<sha>', DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%s+00:00'), '0.2.0' FROM DUAL WHERE @new;
INSERT INTO _cpexport_tables SELECT @id, 'Per_BigNuclei', 0, 0, 0, '{}' FROM DUAL WHERE @new;
INSERT INTO _cpexport_tables SELECT @id, 'Per_Cells', 0, 0, 0, '{}' FROM DUAL WHERE @new;
INSERT INTO _cpexport_tables SELECT @id, 'Per_Cytoplasm', 0, 0, 0, '{}' FROM DUAL WHERE @new;
INSERT INTO _cpexport_tables SELECT @id, 'Per_Image', 1, 0, 0, '{}' FROM DUAL WHERE @new;
INSERT INTO _cpexport_tables SELECT @id, 'Per_Nuclei', 0, 0, 0, '{}' FROM DUAL WHERE @new;
INSERT INTO _cpexport_tables SELECT @id, 'Per_Relationships', 243, 0, 0, '{}' FROM DUAL WHERE @new;
INSERT INTO _cpexport_feature_sets SELECT '<sha>', @id, '{"counted_none":[],"features":{"BigNuclei":["Distance_Centroid_Cells","Distance_Minimum_Cells","Location_Center_X","Location_Center_Y","Location_Center_Z","Number_Object_Number","Parent_Cells","Parent_Nuclei"],"Cells":["AreaShape_Area","AreaShape_BoundingBoxArea","AreaShape_BoundingBoxMaximum_X","AreaShape_BoundingBoxMaximum_Y","AreaShape_BoundingBoxMinimum_X","AreaShape_BoundingBoxMinimum_Y","AreaShape_Center_X","AreaShape_Center_Y","AreaShape_Compactness","AreaShape_ConvexArea","AreaShape_Eccentricity","AreaShape_EquivalentDiameter","AreaShape_EulerNumber","AreaShape_Extent","AreaShape_FormFactor","AreaShape_MajorAxisLength","AreaShape_MaxFeretDiameter","AreaShape_MaximumRadius","AreaShape_MeanRadius","AreaShape_MedianRadius","AreaShape_MinFeretDiameter","AreaShape_MinorAxisLength","AreaShape_Orientation","AreaShape_Perimeter","AreaShape_Solidity","Children_BigNuclei_Count","Children_Cytoplasm_Count","Intensity_IntegratedIntensityEdge_DNA","Intensity_IntegratedIntensityEdge_ER","Intensity_IntegratedIntensity_DNA","Intensity_IntegratedIntensity_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MassDisplacement_DNA","Intensity_MassDisplacement_ER","Intensity_MaxIntensityEdge_DNA","Intensity_MaxIntensityEdge_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensityEdge_DNA","Intensity_MeanIntensityEdge_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensityEdge_DNA","Intensity_MinIntensityEdge_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_StdIntensityEdge_DNA","Intensity_StdIntensityEdge_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","Location_CenterMassIntensity_X_DNA","Location_CenterMassIntensity_X_ER","Location_CenterMassIntensity_Y_DNA","Location_CenterMassIntensity_Y_ER","Location_CenterMassIntensity_Z_DNA","Location_CenterMassIntensity_Z_ER","Location_Center_X","Location_Center_Y","Location_Center_Z","Location_MaxIntensity_X_DNA","Location_MaxIntensity_X_ER","Location_MaxIntensity_Y_DNA","Location_MaxIntensity_Y_ER","Location_MaxIntensity_Z_DNA","Location_MaxIntensity_Z_ER","Mean_BigNuclei_Distance_Centroid_Cells","Mean_BigNuclei_Distance_Minimum_Cells","Mean_BigNuclei_Location_Center_X","Mean_BigNuclei_Location_Center_Y","Mean_BigNuclei_Location_Center_Z","Mean_BigNuclei_Number_Object_Number","Number_Object_Number","Parent_Nuclei"],"Cytoplasm":["AreaShape_Area","AreaShape_BoundingBoxArea","AreaShape_BoundingBoxMaximum_X","AreaShape_BoundingBoxMaximum_Y","AreaShape_BoundingBoxMinimum_X","AreaShape_BoundingBoxMinimum_Y","AreaShape_Center_X","AreaShape_Center_Y","AreaShape_Compactness","AreaShape_ConvexArea","AreaShape_Eccentricity","AreaShape_EquivalentDiameter","AreaShape_EulerNumber","AreaShape_Extent","AreaShape_FormFactor","AreaShape_MajorAxisLength","AreaShape_MaxFeretDiameter","AreaShape_MaximumRadius","AreaShape_MeanRadius","AreaShape_MedianRadius","AreaShape_MinFeretDiameter","AreaShape_MinorAxisLength","AreaShape_Orientation","AreaShape_Perimeter","AreaShape_Solidity","Intensity_IntegratedIntensityEdge_DNA","Intensity_IntegratedIntensityEdge_ER","Intensity_IntegratedIntensity_DNA","Intensity_IntegratedIntensity_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MassDisplacement_DNA","Intensity_MassDisplacement_ER","Intensity_MaxIntensityEdge_DNA","Intensity_MaxIntensityEdge_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensityEdge_DNA","Intensity_MeanIntensityEdge_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensityEdge_DNA","Intensity_MinIntensityEdge_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_StdIntensityEdge_DNA","Intensity_StdIntensityEdge_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","Location_CenterMassIntensity_X_DNA","Location_CenterMassIntensity_X_ER","Location_CenterMassIntensity_Y_DNA","Location_CenterMassIntensity_Y_ER","Location_CenterMassIntensity_Z_DNA","Location_CenterMassIntensity_Z_ER","Location_Center_X","Location_Center_Y","Location_MaxIntensity_X_DNA","Location_MaxIntensity_X_ER","Location_MaxIntensity_Y_DNA","Location_MaxIntensity_Y_ER","Location_MaxIntensity_Z_DNA","Location_MaxIntensity_Z_ER","Number_Object_Number","Parent_Cells","Parent_Nuclei"],"Image":["Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBin","Count_BigNuclei","Count_Cells","Count_Cytoplasm","Count_Nuclei","Count_SmallNuclei","ExecutionTime_01LoadData","ExecutionTime_02IdentifyPrimaryObjects","ExecutionTime_03IdentifySecondaryObjects","ExecutionTime_04IdentifyTertiaryObjects","ExecutionTime_05MeasureObjectSizeShape","ExecutionTime_06MeasureObjectIntensity","ExecutionTime_07MeasureImageIntensity","ExecutionTime_08MeasureObjectNeighbors","ExecutionTime_09FilterObjects","ExecutionTime_10RelateObjects","ExecutionTime_11ClassifyObjects","ExecutionTime_12FlagImage","FileName_DNA","FileName_ER","Group_Index","Group_Length","Group_Number","Height_DNA","Height_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_PercentMaximal_DNA","Intensity_PercentMaximal_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_TotalArea_DNA","Intensity_TotalArea_ER","Intensity_TotalIntensity_DNA","Intensity_TotalIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","MD5Digest_DNA","MD5Digest_ER","Metadata_Compound","Metadata_Dose","Metadata_Plate","Metadata_QCFlag","Metadata_Site","Metadata_Well","PathName_DNA","PathName_ER","Scaling_DNA","Scaling_ER","Threshold_FinalThreshold_Cells","Threshold_FinalThreshold_Nuclei","Threshold_OrigThreshold_Cells","Threshold_OrigThreshold_Nuclei","Threshold_SumOfEntropies_Cells","Threshold_SumOfEntropies_Nuclei","Threshold_WeightedVariance_Cells","Threshold_WeightedVariance_Nuclei","URL_DNA","URL_ER","Width_DNA","Width_ER"],"Nuclei":["AreaShape_Area","AreaShape_BoundingBoxArea","AreaShape_BoundingBoxMaximum_X","AreaShape_BoundingBoxMaximum_Y","AreaShape_BoundingBoxMinimum_X","AreaShape_BoundingBoxMinimum_Y","AreaShape_Center_X","AreaShape_Center_Y","AreaShape_Compactness","AreaShape_ConvexArea","AreaShape_Eccentricity","AreaShape_EquivalentDiameter","AreaShape_EulerNumber","AreaShape_Extent","AreaShape_FormFactor","AreaShape_MajorAxisLength","AreaShape_MaxFeretDiameter","AreaShape_MaximumRadius","AreaShape_MeanRadius","AreaShape_MedianRadius","AreaShape_MinFeretDiameter","AreaShape_MinorAxisLength","AreaShape_Orientation","AreaShape_Perimeter","AreaShape_Solidity","Children_BigNuclei_Count","Children_Cells_Count","Children_Cytoplasm_Count","Children_SmallNuclei_Count","Classify_Intensity_MeanIntensity_DNA_Bin_1","Classify_Intensity_MeanIntensity_DNA_Bin_2","Classify_Intensity_MeanIntensity_DNA_Bin_3","Classify_Intensity_MeanIntensity_DNA_Bin_4","Intensity_IntegratedIntensityEdge_DNA","Intensity_IntegratedIntensityEdge_ER","Intensity_IntegratedIntensity_DNA","Intensity_IntegratedIntensity_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MassDisplacement_DNA","Intensity_MassDisplacement_ER","Intensity_MaxIntensityEdge_DNA","Intensity_MaxIntensityEdge_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensityEdge_DNA","Intensity_MeanIntensityEdge_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensityEdge_DNA","Intensity_MinIntensityEdge_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_StdIntensityEdge_DNA","Intensity_StdIntensityEdge_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","Location_CenterMassIntensity_X_DNA","Location_CenterMassIntensity_X_ER","Location_CenterMassIntensity_Y_DNA","Location_CenterMassIntensity_Y_ER","Location_CenterMassIntensity_Z_DNA","Location_CenterMassIntensity_Z_ER","Location_Center_X","Location_Center_Y","Location_Center_Z","Location_MaxIntensity_X_DNA","Location_MaxIntensity_X_ER","Location_MaxIntensity_Y_DNA","Location_MaxIntensity_Y_ER","Location_MaxIntensity_Z_DNA","Location_MaxIntensity_Z_ER","Neighbors_AngleBetweenNeighbors_Expanded","Neighbors_FirstClosestDistance_Expanded","Neighbors_FirstClosestObjectNumber_Expanded","Neighbors_NumberOfNeighbors_Expanded","Neighbors_PercentTouching_Expanded","Neighbors_SecondClosestDistance_Expanded","Neighbors_SecondClosestObjectNumber_Expanded","Number_Object_Number"]}}' FROM DUAL WHERE @new AND NOT EXISTS (SELECT 1 FROM _cpexport_feature_sets WHERE digest = '<sha>');
INSERT INTO _cpexport_features SELECT @id, '<sha>' FROM DUAL WHERE @new;
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', '', '<sha>' FROM DUAL WHERE @new;
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', 'Per_Image', '<sha>' FROM DUAL WHERE @new;
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', 'Per_Relationships', '<sha>' FROM DUAL WHERE @new;
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', '_cpexport_sets', '<sha>' FROM DUAL WHERE @new;
SET @stop = @ok AND NOT COALESCE((NOT @new OR (SELECT COUNT(*) FROM `Per_Image` WHERE `ImageNumber` BETWEEN 1 AND 1) = 1), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'Per_Image', ' does not have ', 1, ' rows of the batch'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((NOT @new OR (SELECT COUNT(*) FROM `Per_Relationships` WHERE `image_number1` BETWEEN 1 AND 1) = 243), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'Per_Relationships', ' does not have ', 243, ' rows of the batch'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE((NOT @new OR (SELECT COUNT(*) FROM `_cpexport_sets` WHERE prefix = '' AND table_number = 0 AND batch_id = @id) = 1), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', '_cpexport_sets', ' does not have ', 1, ' rows of the batch'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @stop = @ok AND NOT COALESCE(((SELECT COUNT(*) FROM _cpexport_batches WHERE batch_id = @id AND prefix = '' AND table_number = 0) = 1), 0);
SET @ok = @ok AND NOT @stop;
SET @s = IF(@stop, CONCAT('SELECT `', REPLACE(LEFT(CONCAT('cpexport: ', 'the batch is not in the ledger'), 180), '`', ''''), '`'), 'DO 0');
PREPARE s FROM @s;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
DO 0 /* */;
SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';
SET @s = IF(@ok AND @new, 'COMMIT', 'ROLLBACK');
PREPARE s FROM @s; EXECUTE s;
SET @ok = COALESCE(@ok, 0);
SET @all = @all AND @ok, @left = @left + 1 - @ok, @loaded = @loaded + COALESCE(@ok AND @new, 0);

-- the run as a whole
SET @ok = @all;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
START TRANSACTION;
SELECT value INTO @schema FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema' FOR UPDATE;
SET @whole = @ok AND (SELECT COUNT(*) FROM _cpexport_batches b WHERE prefix = '' AND table_number = 0 AND NOT EXISTS (SELECT 1 FROM _cpexport_script s JOIN cpexport_known k USING (signature, digest) WHERE s.prefix = '' AND table_number = 0 AND s.table_name = '' AND s.signature = b.signature)) = 0;
SET @first = @ok AND (@whole OR COALESCE((SELECT MIN(value + 0) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_first') > 1, 1));
DELETE FROM `Per_Experiment` WHERE @first;
INSERT INTO `Per_Experiment` (`Pipeline_Pipeline`, `CellProfiler_Version`, `Run_Timestamp`, `Modification_Timestamp`) SELECT X'<pipeline>', '4.2.8.1', '<time>', '<time>' FROM DUAL WHERE @first;
DELETE FROM _cpexport_settings WHERE @first AND prefix = '' AND table_number = 0 AND name = 'experiment_first';
INSERT INTO _cpexport_settings SELECT '', 0, 'experiment_first', '1' FROM DUAL WHERE @first;
SET @known = (SELECT MAX(value + 0) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id');
SET @id = COALESCE(@known, (SELECT COALESCE(MAX(experiment_id), 0) + 1 FROM Experiment));
INSERT INTO Experiment (experiment_id, name) SELECT @id, 'cpexport' FROM DUAL WHERE @whole AND @known IS NULL;
INSERT INTO _cpexport_settings SELECT '', 0, 'experiment_id', @id FROM DUAL WHERE @whole AND @known IS NULL;
DELETE FROM Experiment_Properties WHERE @whole AND experiment_id = @id;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'db_type', 'sqlite' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'db_sqlite_file', 'cpexport.sqlite' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_table', 'Per_Image' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'object_table', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_id', 'ImageNumber' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'object_id', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'plate_id', 'Image_Metadata_Plate' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'well_id', 'Image_Metadata_Well' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'series_id', 'Image_Group_Number' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'group_id', 'Image_Group_Number' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'timepoint_id', 'Image_Group_Index' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'cell_x_loc', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'cell_y_loc', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'cell_z_loc', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_path_cols', 'Image_PathName_DNA,Image_PathName_ER' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_file_cols', 'Image_FileName_DNA,Image_FileName_ER' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_thumbnail_cols', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_names', 'DNA,ER' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_channel_colors', 'red,green' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'channels_per_image', '1,1' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_channel_blend_modes', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_url_prepend', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'group_SQL_Well', 'SELECT ImageNumber, Image_Metadata_Plate, Image_Metadata_Well FROM Per_Image' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'filter_SQL_Plate_P1', 'SELECT ImageNumber FROM Per_Image WHERE Image_Metadata_Plate = ''P1''' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'object_name', 'cell, cells,' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'plate_type', '96' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'classifier_ignore_columns', 'table_number_key_column, image_number_key_column, object_number_key_column' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_tile_size', '50' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'image_size', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'classification_type', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'training_set', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'area_scoring_column', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'class_table', '' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'check_tables', 'no' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'force_bioformats', 'no' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'use_legacy_fetcher', 'no' FROM DUAL WHERE @whole;
INSERT INTO Experiment_Properties (experiment_id, object_name, field, value) SELECT @id, 'None', 'process_3D', 'False' FROM DUAL WHERE @whole;
DELETE FROM _cpexport_settings WHERE @whole AND prefix = '' AND table_number = 0 AND name NOT IN ('key', 'schema', 'shape', 'made', 'views', 'layout', 'changing', 'experiment_id', 'view', 'measured', 'unmeasured', 'indexes', 'places', 'planned', 'wells', 'experiment_first');
INSERT INTO _cpexport_settings SELECT '', 0, 'group features', 'Group_Number,Group_Index,Group_Length' FROM DUAL WHERE @whole;
INSERT INTO _cpexport_settings SELECT '', 0, 'groups', 'Metadata_Plate,Metadata_Well,Metadata_Site' FROM DUAL WHERE @whole;
INSERT INTO _cpexport_settings SELECT '', 0, 'groups of', 'the image sets that are there' FROM DUAL WHERE @whole;
INSERT INTO _cpexport_settings SELECT '', 0, 'properties', 'described' FROM DUAL WHERE @whole;
DO 0 /* */;
SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';
SET @s = IF(@ok, 'COMMIT', 'ROLLBACK');
PREPARE s FROM @s; EXECUTE s;
SET @ok = @ready;
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @s = IF(@ok AND (SELECT COUNT(*) FROM (SELECT GROUP_CONCAT(column_name ORDER BY seq_in_index) AS names FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'Per_Image' GROUP BY index_name) x WHERE names = 'Image_Metadata_Plate,Image_Metadata_Well') = 0 AND (SELECT COUNT(*) FROM _cpexport_settings WHERE prefix = '' AND name = 'indexes' AND value = 'no') = 0,
  REPLACE(REPLACE('CREATE INDEX "Per_IPlateWell" ON "Per_Image" ("Image_Metadata_Plate", "Image_Metadata_Well")', '"Image_Metadata_Plate"', CONCAT('"Image_Metadata_Plate"', IF((SELECT MIN(data_type) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'Per_Image' AND column_name = 'Image_Metadata_Plate') LIKE '%text', '(255)', ''))), '"Image_Metadata_Well"', CONCAT('"Image_Metadata_Well"', IF((SELECT MIN(data_type) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'Per_Image' AND column_name = 'Image_Metadata_Well') LIKE '%text', '(255)', ''))), 'DO 0');
PREPARE s FROM @s; EXECUTE s;
DO 0 /* */;
SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';
SET SESSION sql_mode = IF(@ok, @@sql_mode, CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'));
SET @skip = '\' /* ';
SET @s = IF(@ok AND @loaded AND @loaded * 10 >= (SELECT COUNT(*) FROM _cpexport_batches WHERE prefix = ''),
  'ANALYZE TABLE "Per_Image"', 'DO 0');
PREPARE s FROM @s; EXECUTE s;
DO 0 /* */;
SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION';
SELECT IF(@left = 0,
  CONCAT('cpexport: ', @loaded, ' of 1 batches imported, the others were already there'),
  CONCAT('cpexport: ', @left, ' of 1 batches left out, ', @loaded, ' loaded, ',
    1 - @left - @loaded, ' already loaded')) AS done FROM DUAL WHERE @all OR @left;
DO RELEASE_LOCK(CONCAT('cpexport ', LEFT(SHA2(COALESCE(DATABASE(), ''), 256), 40)));

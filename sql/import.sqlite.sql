-- Written by cpexport 0.2.0. Imports the files in this folder, each batch once:
--   sqlite3 FILE < import.sql
-- Run it in this folder. If a file has changed since it was written, the script stops with an error
-- and imports nothing of that batch. Correct the cause and run the script again: it skips batches
-- that are already imported. README.txt explains all of this, and each error.
.bail on
PRAGMA synchronous = EXTRA;
PRAGMA foreign_keys = OFF;
CREATE TEMP TABLE cpexport_known (signature TEXT, digest TEXT, PRIMARY KEY (signature, digest));
CREATE TEMP TABLE cpexport_kinds (number INTEGER PRIMARY KEY, id INTEGER);
CREATE TEMP TABLE cpexport_loaded (n INTEGER);
CREATE TEMP TABLE cpexport_batch (id INTEGER, new INTEGER NOT NULL, kept INTEGER NOT NULL);
CREATE TEMP TABLE cpexport_columns (position INTEGER PRIMARY KEY, object_name TEXT, feature TEXT,
  t TEXT, c TEXT, kind TEXT, UNIQUE (t, c));
CREATE TEMP TABLE cpexport_unknown (t TEXT);
CREATE TEMP TABLE cpexport_whole (whole INTEGER, first INTEGER);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "wrong working folder; run it in the folder of import.sql" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((readfile('import.sql') IS NOT NULL), 0);
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS _cpexport_columns (
	prefix TEXT NOT NULL,
	position INTEGER NOT NULL,
	object_name TEXT NOT NULL,
	feature TEXT NOT NULL,
	table_name TEXT NOT NULL,
	column_name TEXT NOT NULL,
	type TEXT NOT NULL,
	PRIMARY KEY (prefix, position)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["prefix", "position", "object_name", "feature", "table_name", "column_name", "type"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_columns'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_columns'))) = 7 OR '_cpexport_columns' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_batches (
	batch_id INTEGER NOT NULL,
	prefix TEXT NOT NULL,
	table_number INTEGER NOT NULL,
	path TEXT NOT NULL,
	format TEXT NOT NULL,
	signature TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	image_sets TEXT NOT NULL,
	complete TEXT NOT NULL,
	refused TEXT NOT NULL,
	group_tags TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL,
	finished TEXT NOT NULL,
	modified_ns BIGINT NOT NULL,
	cellprofiler TEXT,
	pipeline_sha256 TEXT,
	loaded_utc TEXT NOT NULL,
	cpexport TEXT NOT NULL,
	PRIMARY KEY (batch_id),
	UNIQUE (prefix, table_number, signature)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["batch_id", "prefix", "table_number", "path", "format", "signature", "fingerprint", "image_sets", "complete", "refused", "group_tags", "state", "reason", "finished", "modified_ns", "cellprofiler", "pipeline_sha256", "loaded_utc", "cpexport"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_batches'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_batches'))) = 19 OR '_cpexport_batches' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_feature_sets (
	digest TEXT NOT NULL,
	batch_id INTEGER NOT NULL,
	features TEXT NOT NULL,
	PRIMARY KEY (digest, batch_id)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["digest", "batch_id", "features"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_feature_sets'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_feature_sets'))) = 3 OR '_cpexport_feature_sets' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_features (
	batch_id INTEGER NOT NULL,
	digest TEXT NOT NULL,
	PRIMARY KEY (batch_id)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["batch_id", "digest"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_features'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_features'))) = 2 OR '_cpexport_features' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_measured (
	batch_id INTEGER NOT NULL,
	feature VARCHAR(255) NOT NULL,
	value REAL,
	PRIMARY KEY (batch_id, feature)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["batch_id", "feature", "value"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_measured'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_measured'))) = 3 OR '_cpexport_measured' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_numbers (
	prefix TEXT NOT NULL,
	table_number INTEGER NOT NULL,
	digest TEXT NOT NULL,
	number INTEGER NOT NULL,
	PRIMARY KEY (prefix, table_number, digest)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["prefix", "table_number", "digest", "number"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_numbers'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_numbers'))) = 4 OR '_cpexport_numbers' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_replaced (
	batch_id INTEGER NOT NULL,
	by_batch_id INTEGER NOT NULL,
	set_count INTEGER NOT NULL,
	PRIMARY KEY (batch_id, by_batch_id)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["batch_id", "by_batch_id", "set_count"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_replaced'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_replaced'))) = 3 OR '_cpexport_replaced' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_runs (
	prefix TEXT NOT NULL,
	table_number INTEGER NOT NULL,
	name TEXT NOT NULL,
	PRIMARY KEY (prefix, table_number),
	UNIQUE (prefix, name)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["prefix", "table_number", "name"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_runs'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_runs'))) = 3 OR '_cpexport_runs' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_sets (
	prefix TEXT NOT NULL,
	table_number INTEGER NOT NULL,
	number INTEGER NOT NULL,
	batch_id INTEGER NOT NULL,
	identity TEXT NOT NULL,
	PRIMARY KEY (prefix, table_number, number)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["prefix", "table_number", "number", "batch_id", "identity"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_sets'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_sets'))) = 5 OR '_cpexport_sets' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_settings (
	prefix TEXT NOT NULL,
	table_number INTEGER NOT NULL,
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (prefix, table_number, name)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["prefix", "table_number", "name", "value"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_settings'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_settings'))) = 4 OR '_cpexport_settings' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_tables (
	batch_id INTEGER NOT NULL,
	table_name TEXT NOT NULL,
	row_count BIGINT NOT NULL,
	missing_count BIGINT NOT NULL,
	infinite_count BIGINT NOT NULL,
	infinite_columns TEXT NOT NULL,
	PRIMARY KEY (batch_id, table_name)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["batch_id", "table_name", "row_count", "missing_count", "infinite_count", "infinite_columns"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_tables'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_tables'))) = 6 OR '_cpexport_tables' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS _cpexport_script (
	prefix TEXT NOT NULL,
	table_number INTEGER NOT NULL,
	signature TEXT NOT NULL,
	table_name TEXT NOT NULL,
	digest TEXT NOT NULL,
	PRIMARY KEY (prefix, table_number, signature, table_name)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["prefix", "table_number", "signature", "table_name", "digest"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('_cpexport_script'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('_cpexport_script'))) = 5 OR '_cpexport_script' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS "Per_Image" (
	"ImageNumber" INTEGER NOT NULL,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn" INTEGER,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn" REAL,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn" INTEGER,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn" REAL,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn" INTEGER,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn" REAL,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn" INTEGER,
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn" REAL,
	"Image_Count_BigNuclei" INTEGER,
	"Image_Count_Cells" INTEGER,
	"Image_Count_Cytoplasm" INTEGER,
	"Image_Count_Nuclei" INTEGER,
	"Image_Count_SmallNuclei" INTEGER,
	"Image_ExecutionTime_01LoadData" REAL,
	"Image_ExecutionTime_02IdentifyPrimaryObjects" REAL,
	"Image_ExecutionTime_03IdentifySecondaryObjects" REAL,
	"Image_ExecutionTime_04IdentifyTertiaryObjects" REAL,
	"Image_ExecutionTime_05MeasureObjectSizeShape" REAL,
	"Image_ExecutionTime_06MeasureObjectIntensity" REAL,
	"Image_ExecutionTime_07MeasureImageIntensity" REAL,
	"Image_ExecutionTime_08MeasureObjectNeighbors" REAL,
	"Image_ExecutionTime_09FilterObjects" REAL,
	"Image_ExecutionTime_10RelateObjects" REAL,
	"Image_ExecutionTime_11ClassifyObjects" REAL,
	"Image_ExecutionTime_12FlagImage" REAL,
	"Image_FileName_DNA" TEXT,
	"Image_FileName_ER" TEXT,
	"Image_Group_Index" INTEGER,
	"Image_Group_Length" INTEGER,
	"Image_Group_Number" INTEGER,
	"Image_Height_DNA" INTEGER,
	"Image_Height_ER" INTEGER,
	"Image_Intensity_LowerQuartileIntensity_DNA" REAL,
	"Image_Intensity_LowerQuartileIntensity_ER" REAL,
	"Image_Intensity_MADIntensity_DNA" REAL,
	"Image_Intensity_MADIntensity_ER" REAL,
	"Image_Intensity_MaxIntensity_DNA" REAL,
	"Image_Intensity_MaxIntensity_ER" REAL,
	"Image_Intensity_MeanIntensity_DNA" REAL,
	"Image_Intensity_MeanIntensity_ER" REAL,
	"Image_Intensity_MedianIntensity_DNA" REAL,
	"Image_Intensity_MedianIntensity_ER" REAL,
	"Image_Intensity_MinIntensity_DNA" REAL,
	"Image_Intensity_MinIntensity_ER" REAL,
	"Image_Intensity_PercentMaximal_DNA" REAL,
	"Image_Intensity_PercentMaximal_ER" REAL,
	"Image_Intensity_StdIntensity_DNA" REAL,
	"Image_Intensity_StdIntensity_ER" REAL,
	"Image_Intensity_TotalArea_DNA" INTEGER,
	"Image_Intensity_TotalArea_ER" INTEGER,
	"Image_Intensity_TotalIntensity_DNA" REAL,
	"Image_Intensity_TotalIntensity_ER" REAL,
	"Image_Intensity_UpperQuartileIntensity_DNA" REAL,
	"Image_Intensity_UpperQuartileIntensity_ER" REAL,
	"Image_MD5Digest_DNA" TEXT,
	"Image_MD5Digest_ER" TEXT,
	"Image_Metadata_Compound" TEXT,
	"Image_Metadata_Dose" INTEGER,
	"Image_Metadata_Plate" TEXT,
	"Image_Metadata_QCFlag" INTEGER,
	"Image_Metadata_Site" INTEGER,
	"Image_Metadata_Well" TEXT,
	"Image_PathName_DNA" TEXT,
	"Image_PathName_ER" TEXT,
	"Image_Scaling_DNA" REAL,
	"Image_Scaling_ER" REAL,
	"Image_Threshold_FinalThreshold_Cells" REAL,
	"Image_Threshold_FinalThreshold_Nuclei" REAL,
	"Image_Threshold_OrigThreshold_Cells" REAL,
	"Image_Threshold_OrigThreshold_Nuclei" REAL,
	"Image_Threshold_SumOfEntropies_Cells" REAL,
	"Image_Threshold_SumOfEntropies_Nuclei" REAL,
	"Image_Threshold_WeightedVariance_Cells" REAL,
	"Image_Threshold_WeightedVariance_Nuclei" REAL,
	"Image_URL_DNA" TEXT,
	"Image_URL_ER" TEXT,
	"Image_Width_DNA" INTEGER,
	"Image_Width_ER" INTEGER,
	PRIMARY KEY ("ImageNumber")
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has a table Per_Image that cpexport did not create" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["ImageNumber", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn", "Image_Count_BigNuclei", "Image_Count_Cells", "Image_Count_Cytoplasm", "Image_Count_Nuclei", "Image_Count_SmallNuclei", "Image_ExecutionTime_01LoadData", "Image_ExecutionTime_02IdentifyPrimaryObjects", "Image_ExecutionTime_03IdentifySecondaryObjects", "Image_ExecutionTime_04IdentifyTertiaryObjects", "Image_ExecutionTime_05MeasureObjectSizeShape", "Image_ExecutionTime_06MeasureObjectIntensity", "Image_ExecutionTime_07MeasureImageIntensity", "Image_ExecutionTime_08MeasureObjectNeighbors", "Image_ExecutionTime_09FilterObjects", "Image_ExecutionTime_10RelateObjects", "Image_ExecutionTime_11ClassifyObjects", "Image_ExecutionTime_12FlagImage", "Image_FileName_DNA", "Image_FileName_ER", "Image_Group_Index", "Image_Group_Length", "Image_Group_Number", "Image_Height_DNA", "Image_Height_ER", "Image_Intensity_LowerQuartileIntensity_DNA", "Image_Intensity_LowerQuartileIntensity_ER", "Image_Intensity_MADIntensity_DNA", "Image_Intensity_MADIntensity_ER", "Image_Intensity_MaxIntensity_DNA", "Image_Intensity_MaxIntensity_ER", "Image_Intensity_MeanIntensity_DNA", "Image_Intensity_MeanIntensity_ER", "Image_Intensity_MedianIntensity_DNA", "Image_Intensity_MedianIntensity_ER", "Image_Intensity_MinIntensity_DNA", "Image_Intensity_MinIntensity_ER", "Image_Intensity_PercentMaximal_DNA", "Image_Intensity_PercentMaximal_ER", "Image_Intensity_StdIntensity_DNA", "Image_Intensity_StdIntensity_ER", "Image_Intensity_TotalArea_DNA", "Image_Intensity_TotalArea_ER", "Image_Intensity_TotalIntensity_DNA", "Image_Intensity_TotalIntensity_ER", "Image_Intensity_UpperQuartileIntensity_DNA", "Image_Intensity_UpperQuartileIntensity_ER", "Image_MD5Digest_DNA", "Image_MD5Digest_ER", "Image_Metadata_Compound", "Image_Metadata_Dose", "Image_Metadata_Plate", "Image_Metadata_QCFlag", "Image_Metadata_Site", "Image_Metadata_Well", "Image_PathName_DNA", "Image_PathName_ER", "Image_Scaling_DNA", "Image_Scaling_ER", "Image_Threshold_FinalThreshold_Cells", "Image_Threshold_FinalThreshold_Nuclei", "Image_Threshold_OrigThreshold_Cells", "Image_Threshold_OrigThreshold_Nuclei", "Image_Threshold_SumOfEntropies_Cells", "Image_Threshold_SumOfEntropies_Nuclei", "Image_Threshold_WeightedVariance_Cells", "Image_Threshold_WeightedVariance_Nuclei", "Image_URL_DNA", "Image_URL_ER", "Image_Width_DNA", "Image_Width_ER"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_Image'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_Image'))) = 79 OR 'Per_Image' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')) OR 'Per_Image' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Per_Image has other columns" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["ImageNumber", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn", "Image_Count_BigNuclei", "Image_Count_Cells", "Image_Count_Cytoplasm", "Image_Count_Nuclei", "Image_Count_SmallNuclei", "Image_ExecutionTime_01LoadData", "Image_ExecutionTime_02IdentifyPrimaryObjects", "Image_ExecutionTime_03IdentifySecondaryObjects", "Image_ExecutionTime_04IdentifyTertiaryObjects", "Image_ExecutionTime_05MeasureObjectSizeShape", "Image_ExecutionTime_06MeasureObjectIntensity", "Image_ExecutionTime_07MeasureImageIntensity", "Image_ExecutionTime_08MeasureObjectNeighbors", "Image_ExecutionTime_09FilterObjects", "Image_ExecutionTime_10RelateObjects", "Image_ExecutionTime_11ClassifyObjects", "Image_ExecutionTime_12FlagImage", "Image_FileName_DNA", "Image_FileName_ER", "Image_Group_Index", "Image_Group_Length", "Image_Group_Number", "Image_Height_DNA", "Image_Height_ER", "Image_Intensity_LowerQuartileIntensity_DNA", "Image_Intensity_LowerQuartileIntensity_ER", "Image_Intensity_MADIntensity_DNA", "Image_Intensity_MADIntensity_ER", "Image_Intensity_MaxIntensity_DNA", "Image_Intensity_MaxIntensity_ER", "Image_Intensity_MeanIntensity_DNA", "Image_Intensity_MeanIntensity_ER", "Image_Intensity_MedianIntensity_DNA", "Image_Intensity_MedianIntensity_ER", "Image_Intensity_MinIntensity_DNA", "Image_Intensity_MinIntensity_ER", "Image_Intensity_PercentMaximal_DNA", "Image_Intensity_PercentMaximal_ER", "Image_Intensity_StdIntensity_DNA", "Image_Intensity_StdIntensity_ER", "Image_Intensity_TotalArea_DNA", "Image_Intensity_TotalArea_ER", "Image_Intensity_TotalIntensity_DNA", "Image_Intensity_TotalIntensity_ER", "Image_Intensity_UpperQuartileIntensity_DNA", "Image_Intensity_UpperQuartileIntensity_ER", "Image_MD5Digest_DNA", "Image_MD5Digest_ER", "Image_Metadata_Compound", "Image_Metadata_Dose", "Image_Metadata_Plate", "Image_Metadata_QCFlag", "Image_Metadata_Site", "Image_Metadata_Well", "Image_PathName_DNA", "Image_PathName_ER", "Image_Scaling_DNA", "Image_Scaling_ER", "Image_Threshold_FinalThreshold_Cells", "Image_Threshold_FinalThreshold_Nuclei", "Image_Threshold_OrigThreshold_Cells", "Image_Threshold_OrigThreshold_Nuclei", "Image_Threshold_SumOfEntropies_Cells", "Image_Threshold_SumOfEntropies_Nuclei", "Image_Threshold_WeightedVariance_Cells", "Image_Threshold_WeightedVariance_Nuclei", "Image_URL_DNA", "Image_URL_ER", "Image_Width_DNA", "Image_Width_ER"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_Image'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_Image'))) = 79 OR 'Per_Image' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS "Per_RelationshipTypes" (
	relationship_type_id INTEGER NOT NULL,
	module_number INTEGER,
	relationship VARCHAR(255),
	object_name1 VARCHAR(255),
	object_name2 VARCHAR(255),
	PRIMARY KEY (relationship_type_id),
	CONSTRAINT "Per_RelationshipTypesUnique" UNIQUE (relationship_type_id, module_number, relationship, object_name1, object_name2)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has a table Per_RelationshipTypes that cpexport did not create" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["relationship_type_id", "module_number", "relationship", "object_name1", "object_name2"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_RelationshipTypes'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_RelationshipTypes'))) = 5 OR 'Per_RelationshipTypes' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')) OR 'Per_RelationshipTypes' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Per_RelationshipTypes has other columns" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["relationship_type_id", "module_number", "relationship", "object_name1", "object_name2"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_RelationshipTypes'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_RelationshipTypes'))) = 5 OR 'Per_RelationshipTypes' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS "Per_Relationships" (
	relationship_type_id INTEGER,
	image_number1 INTEGER,
	object_number1 INTEGER,
	image_number2 INTEGER,
	object_number2 INTEGER,
	CONSTRAINT "Per_RRTypeIdFK" FOREIGN KEY(relationship_type_id) REFERENCES "Per_RelationshipTypes" (relationship_type_id),
	CONSTRAINT "Per_RelationshipUnique" UNIQUE (relationship_type_id, image_number1, object_number1, image_number2, object_number2)
);
CREATE INDEX IF NOT EXISTS "Per_IRelationships1" ON "Per_Relationships" (image_number1, object_number1, relationship_type_id);
CREATE INDEX IF NOT EXISTS "Per_IRelationships2" ON "Per_Relationships" (image_number2, object_number2, relationship_type_id);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has a table Per_Relationships that cpexport did not create" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["relationship_type_id", "image_number1", "object_number1", "image_number2", "object_number2"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_Relationships'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_Relationships'))) = 5 OR 'Per_Relationships' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')) OR 'Per_Relationships' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Per_Relationships has other columns" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["relationship_type_id", "image_number1", "object_number1", "image_number2", "object_number2"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_Relationships'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_Relationships'))) = 5 OR 'Per_Relationships' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS "Experiment" (
	experiment_id INTEGER NOT NULL,
	name TEXT,
	PRIMARY KEY (experiment_id)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has a table Experiment that cpexport did not create" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["experiment_id", "name"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Experiment'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Experiment'))) = 2 OR 'Experiment' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')) OR 'Experiment' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Experiment has other columns" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["experiment_id", "name"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Experiment'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Experiment'))) = 2 OR 'Experiment' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS "Experiment_Properties" (
	experiment_id INTEGER NOT NULL,
	object_name VARCHAR(200) NOT NULL,
	field VARCHAR(200) NOT NULL,
	value TEXT,
	PRIMARY KEY (experiment_id, object_name, field)
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has a table Experiment_Properties that cpexport did not create" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["experiment_id", "object_name", "field", "value"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Experiment_Properties'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Experiment_Properties'))) = 4 OR 'Experiment_Properties' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')) OR 'Experiment_Properties' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Experiment_Properties has other columns" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["experiment_id", "object_name", "field", "value"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Experiment_Properties'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Experiment_Properties'))) = 4 OR 'Experiment_Properties' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = ''))), 0);
CREATE TABLE IF NOT EXISTS "Per_Experiment" (
	"Pipeline_Pipeline" BLOB,
	"CellProfiler_Version" TEXT,
	"Run_Timestamp" TEXT,
	"Modification_Timestamp" TEXT
);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has a table Per_Experiment that cpexport did not create" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["Pipeline_Pipeline", "CellProfiler_Version", "Run_Timestamp", "Modification_Timestamp"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_Experiment'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_Experiment'))) = 4 OR 1) OR 'Per_Experiment' IN (SELECT table_name FROM _cpexport_columns WHERE prefix = '')), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Per_Experiment has other columns" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM json_each('["Pipeline_Pipeline", "CellProfiler_Version", "Run_Timestamp", "Modification_Timestamp"]') WHERE value NOT IN (SELECT name FROM pragma_table_info('Per_Experiment'))) = 0 AND ((SELECT count(*) FROM (SELECT name FROM pragma_table_info('Per_Experiment'))) = 4 OR 1)), 0);
CREATE VIEW IF NOT EXISTS _cpexport_current AS SELECT b.batch_id, b.prefix, b.table_number, b.path, b.state, b.loaded_utc,
  coalesce(s.owned, 0) AS owned, coalesce(r.replaced_by, 0) AS replaced_by
FROM _cpexport_batches b
LEFT JOIN (SELECT batch_id, count(*) AS owned FROM _cpexport_sets GROUP BY batch_id) s
  ON s.batch_id = b.batch_id
LEFT JOIN (SELECT batch_id, count(*) AS replaced_by FROM _cpexport_replaced GROUP BY batch_id) r
  ON r.batch_id = b.batch_id;
CREATE VIEW IF NOT EXISTS "Per_RelationshipsView" AS SELECT T.module_number, T.relationship, T.object_name1, T.object_name2, R.image_number1, R.object_number1, R.image_number2, R.object_number2 FROM "Per_RelationshipTypes" T JOIN "Per_Relationships" R ON T.relationship_type_id = R.relationship_type_id;
CREATE VIEW IF NOT EXISTS "Image" AS /* made by cpexport */ SELECT
	1 AS "TableNumber",
	"ImageNumber",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn",
	"Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn" AS "Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn",
	"Image_Count_BigNuclei" AS "Count_BigNuclei",
	"Image_Count_Cells" AS "Count_Cells",
	"Image_Count_Cytoplasm" AS "Count_Cytoplasm",
	"Image_Count_Nuclei" AS "Count_Nuclei",
	"Image_Count_SmallNuclei" AS "Count_SmallNuclei",
	"Image_ExecutionTime_01LoadData" AS "ExecutionTime_01LoadData",
	"Image_ExecutionTime_02IdentifyPrimaryObjects" AS "ExecutionTime_02IdentifyPrimaryObjects",
	"Image_ExecutionTime_03IdentifySecondaryObjects" AS "ExecutionTime_03IdentifySecondaryObjects",
	"Image_ExecutionTime_04IdentifyTertiaryObjects" AS "ExecutionTime_04IdentifyTertiaryObjects",
	"Image_ExecutionTime_05MeasureObjectSizeShape" AS "ExecutionTime_05MeasureObjectSizeShape",
	"Image_ExecutionTime_06MeasureObjectIntensity" AS "ExecutionTime_06MeasureObjectIntensity",
	"Image_ExecutionTime_07MeasureImageIntensity" AS "ExecutionTime_07MeasureImageIntensity",
	"Image_ExecutionTime_08MeasureObjectNeighbors" AS "ExecutionTime_08MeasureObjectNeighbors",
	"Image_ExecutionTime_09FilterObjects" AS "ExecutionTime_09FilterObjects",
	"Image_ExecutionTime_10RelateObjects" AS "ExecutionTime_10RelateObjects",
	"Image_ExecutionTime_11ClassifyObjects" AS "ExecutionTime_11ClassifyObjects",
	"Image_ExecutionTime_12FlagImage" AS "ExecutionTime_12FlagImage",
	"Image_FileName_DNA" AS "FileName_DNA",
	"Image_FileName_ER" AS "FileName_ER",
	"Image_Group_Index" AS "Group_Index",
	"Image_Group_Length" AS "Group_Length",
	"Image_Group_Number" AS "Group_Number",
	"Image_Height_DNA" AS "Height_DNA",
	"Image_Height_ER" AS "Height_ER",
	"Image_Intensity_LowerQuartileIntensity_DNA" AS "Intensity_LowerQuartileIntensity_DNA",
	"Image_Intensity_LowerQuartileIntensity_ER" AS "Intensity_LowerQuartileIntensity_ER",
	"Image_Intensity_MADIntensity_DNA" AS "Intensity_MADIntensity_DNA",
	"Image_Intensity_MADIntensity_ER" AS "Intensity_MADIntensity_ER",
	"Image_Intensity_MaxIntensity_DNA" AS "Intensity_MaxIntensity_DNA",
	"Image_Intensity_MaxIntensity_ER" AS "Intensity_MaxIntensity_ER",
	"Image_Intensity_MeanIntensity_DNA" AS "Intensity_MeanIntensity_DNA",
	"Image_Intensity_MeanIntensity_ER" AS "Intensity_MeanIntensity_ER",
	"Image_Intensity_MedianIntensity_DNA" AS "Intensity_MedianIntensity_DNA",
	"Image_Intensity_MedianIntensity_ER" AS "Intensity_MedianIntensity_ER",
	"Image_Intensity_MinIntensity_DNA" AS "Intensity_MinIntensity_DNA",
	"Image_Intensity_MinIntensity_ER" AS "Intensity_MinIntensity_ER",
	"Image_Intensity_PercentMaximal_DNA" AS "Intensity_PercentMaximal_DNA",
	"Image_Intensity_PercentMaximal_ER" AS "Intensity_PercentMaximal_ER",
	"Image_Intensity_StdIntensity_DNA" AS "Intensity_StdIntensity_DNA",
	"Image_Intensity_StdIntensity_ER" AS "Intensity_StdIntensity_ER",
	"Image_Intensity_TotalArea_DNA" AS "Intensity_TotalArea_DNA",
	"Image_Intensity_TotalArea_ER" AS "Intensity_TotalArea_ER",
	"Image_Intensity_TotalIntensity_DNA" AS "Intensity_TotalIntensity_DNA",
	"Image_Intensity_TotalIntensity_ER" AS "Intensity_TotalIntensity_ER",
	"Image_Intensity_UpperQuartileIntensity_DNA" AS "Intensity_UpperQuartileIntensity_DNA",
	"Image_Intensity_UpperQuartileIntensity_ER" AS "Intensity_UpperQuartileIntensity_ER",
	"Image_MD5Digest_DNA" AS "MD5Digest_DNA",
	"Image_MD5Digest_ER" AS "MD5Digest_ER",
	"Image_Metadata_Compound" AS "Metadata_Compound",
	"Image_Metadata_Dose" AS "Metadata_Dose",
	"Image_Metadata_Plate" AS "Metadata_Plate",
	"Image_Metadata_QCFlag" AS "Metadata_QCFlag",
	"Image_Metadata_Site" AS "Metadata_Site",
	"Image_Metadata_Well" AS "Metadata_Well",
	"Image_PathName_DNA" AS "PathName_DNA",
	"Image_PathName_ER" AS "PathName_ER",
	"Image_Scaling_DNA" AS "Scaling_DNA",
	"Image_Scaling_ER" AS "Scaling_ER",
	"Image_Threshold_FinalThreshold_Cells" AS "Threshold_FinalThreshold_Cells",
	"Image_Threshold_FinalThreshold_Nuclei" AS "Threshold_FinalThreshold_Nuclei",
	"Image_Threshold_OrigThreshold_Cells" AS "Threshold_OrigThreshold_Cells",
	"Image_Threshold_OrigThreshold_Nuclei" AS "Threshold_OrigThreshold_Nuclei",
	"Image_Threshold_SumOfEntropies_Cells" AS "Threshold_SumOfEntropies_Cells",
	"Image_Threshold_SumOfEntropies_Nuclei" AS "Threshold_SumOfEntropies_Nuclei",
	"Image_Threshold_WeightedVariance_Cells" AS "Threshold_WeightedVariance_Cells",
	"Image_Threshold_WeightedVariance_Nuclei" AS "Threshold_WeightedVariance_Nuclei",
	"Image_URL_DNA" AS "URL_DNA",
	"Image_URL_ER" AS "URL_ER",
	"Image_Width_DNA" AS "Width_DNA",
	"Image_Width_ER" AS "Width_ER"
FROM "Per_Image";
INSERT INTO _cpexport_settings SELECT '', 0, 'schema', '2' WHERE (SELECT count(*) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema') = 0;
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables are from another version of cpexport" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'schema' AND value = '2') = 1), 0);
INSERT INTO _cpexport_settings SELECT '', 0, 'shape', '{"layout": "none", "only": [], "aggregate": [], "max_column_length": 64, "numbered": false, "paths": {"pairs": []}}' WHERE (SELECT count(*) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'shape') = 0;
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the tables were made with other options" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'shape' AND value = '{"layout": "none", "only": [], "aggregate": [], "max_column_length": 64, "numbered": false, "paths": {"pairs": []}}') = 1), 0);
INSERT INTO cpexport_columns SELECT 1, 'Image', 'ImageNumber', 'Per_Image', 'ImageNumber', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 2, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 3, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 4, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 5, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 6, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 7, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 8, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 9, 'Image', 'Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBin', 'Per_Image', 'Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 10, 'Image', 'Count_BigNuclei', 'Per_Image', 'Image_Count_BigNuclei', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 11, 'Image', 'Count_Cells', 'Per_Image', 'Image_Count_Cells', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 12, 'Image', 'Count_Cytoplasm', 'Per_Image', 'Image_Count_Cytoplasm', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 13, 'Image', 'Count_Nuclei', 'Per_Image', 'Image_Count_Nuclei', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 14, 'Image', 'Count_SmallNuclei', 'Per_Image', 'Image_Count_SmallNuclei', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 15, 'Image', 'ExecutionTime_01LoadData', 'Per_Image', 'Image_ExecutionTime_01LoadData', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 16, 'Image', 'ExecutionTime_02IdentifyPrimaryObjects', 'Per_Image', 'Image_ExecutionTime_02IdentifyPrimaryObjects', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 17, 'Image', 'ExecutionTime_03IdentifySecondaryObjects', 'Per_Image', 'Image_ExecutionTime_03IdentifySecondaryObjects', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 18, 'Image', 'ExecutionTime_04IdentifyTertiaryObjects', 'Per_Image', 'Image_ExecutionTime_04IdentifyTertiaryObjects', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 19, 'Image', 'ExecutionTime_05MeasureObjectSizeShape', 'Per_Image', 'Image_ExecutionTime_05MeasureObjectSizeShape', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 20, 'Image', 'ExecutionTime_06MeasureObjectIntensity', 'Per_Image', 'Image_ExecutionTime_06MeasureObjectIntensity', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 21, 'Image', 'ExecutionTime_07MeasureImageIntensity', 'Per_Image', 'Image_ExecutionTime_07MeasureImageIntensity', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 22, 'Image', 'ExecutionTime_08MeasureObjectNeighbors', 'Per_Image', 'Image_ExecutionTime_08MeasureObjectNeighbors', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 23, 'Image', 'ExecutionTime_09FilterObjects', 'Per_Image', 'Image_ExecutionTime_09FilterObjects', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 24, 'Image', 'ExecutionTime_10RelateObjects', 'Per_Image', 'Image_ExecutionTime_10RelateObjects', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 25, 'Image', 'ExecutionTime_11ClassifyObjects', 'Per_Image', 'Image_ExecutionTime_11ClassifyObjects', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 26, 'Image', 'ExecutionTime_12FlagImage', 'Per_Image', 'Image_ExecutionTime_12FlagImage', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 27, 'Image', 'FileName_DNA', 'Per_Image', 'Image_FileName_DNA', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 28, 'Image', 'FileName_ER', 'Per_Image', 'Image_FileName_ER', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 29, 'Image', 'Group_Index', 'Per_Image', 'Image_Group_Index', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 30, 'Image', 'Group_Length', 'Per_Image', 'Image_Group_Length', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 31, 'Image', 'Group_Number', 'Per_Image', 'Image_Group_Number', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 32, 'Image', 'Height_DNA', 'Per_Image', 'Image_Height_DNA', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 33, 'Image', 'Height_ER', 'Per_Image', 'Image_Height_ER', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 34, 'Image', 'Intensity_LowerQuartileIntensity_DNA', 'Per_Image', 'Image_Intensity_LowerQuartileIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 35, 'Image', 'Intensity_LowerQuartileIntensity_ER', 'Per_Image', 'Image_Intensity_LowerQuartileIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 36, 'Image', 'Intensity_MADIntensity_DNA', 'Per_Image', 'Image_Intensity_MADIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 37, 'Image', 'Intensity_MADIntensity_ER', 'Per_Image', 'Image_Intensity_MADIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 38, 'Image', 'Intensity_MaxIntensity_DNA', 'Per_Image', 'Image_Intensity_MaxIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 39, 'Image', 'Intensity_MaxIntensity_ER', 'Per_Image', 'Image_Intensity_MaxIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 40, 'Image', 'Intensity_MeanIntensity_DNA', 'Per_Image', 'Image_Intensity_MeanIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 41, 'Image', 'Intensity_MeanIntensity_ER', 'Per_Image', 'Image_Intensity_MeanIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 42, 'Image', 'Intensity_MedianIntensity_DNA', 'Per_Image', 'Image_Intensity_MedianIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 43, 'Image', 'Intensity_MedianIntensity_ER', 'Per_Image', 'Image_Intensity_MedianIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 44, 'Image', 'Intensity_MinIntensity_DNA', 'Per_Image', 'Image_Intensity_MinIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 45, 'Image', 'Intensity_MinIntensity_ER', 'Per_Image', 'Image_Intensity_MinIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 46, 'Image', 'Intensity_PercentMaximal_DNA', 'Per_Image', 'Image_Intensity_PercentMaximal_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 47, 'Image', 'Intensity_PercentMaximal_ER', 'Per_Image', 'Image_Intensity_PercentMaximal_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 48, 'Image', 'Intensity_StdIntensity_DNA', 'Per_Image', 'Image_Intensity_StdIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 49, 'Image', 'Intensity_StdIntensity_ER', 'Per_Image', 'Image_Intensity_StdIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 50, 'Image', 'Intensity_TotalArea_DNA', 'Per_Image', 'Image_Intensity_TotalArea_DNA', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 51, 'Image', 'Intensity_TotalArea_ER', 'Per_Image', 'Image_Intensity_TotalArea_ER', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 52, 'Image', 'Intensity_TotalIntensity_DNA', 'Per_Image', 'Image_Intensity_TotalIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 53, 'Image', 'Intensity_TotalIntensity_ER', 'Per_Image', 'Image_Intensity_TotalIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 54, 'Image', 'Intensity_UpperQuartileIntensity_DNA', 'Per_Image', 'Image_Intensity_UpperQuartileIntensity_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 55, 'Image', 'Intensity_UpperQuartileIntensity_ER', 'Per_Image', 'Image_Intensity_UpperQuartileIntensity_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 56, 'Image', 'MD5Digest_DNA', 'Per_Image', 'Image_MD5Digest_DNA', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 57, 'Image', 'MD5Digest_ER', 'Per_Image', 'Image_MD5Digest_ER', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 58, 'Image', 'Metadata_Compound', 'Per_Image', 'Image_Metadata_Compound', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 59, 'Image', 'Metadata_Dose', 'Per_Image', 'Image_Metadata_Dose', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 60, 'Image', 'Metadata_Plate', 'Per_Image', 'Image_Metadata_Plate', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 61, 'Image', 'Metadata_QCFlag', 'Per_Image', 'Image_Metadata_QCFlag', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 62, 'Image', 'Metadata_Site', 'Per_Image', 'Image_Metadata_Site', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 63, 'Image', 'Metadata_Well', 'Per_Image', 'Image_Metadata_Well', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 64, 'Image', 'PathName_DNA', 'Per_Image', 'Image_PathName_DNA', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 65, 'Image', 'PathName_ER', 'Per_Image', 'Image_PathName_ER', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 66, 'Image', 'Scaling_DNA', 'Per_Image', 'Image_Scaling_DNA', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 67, 'Image', 'Scaling_ER', 'Per_Image', 'Image_Scaling_ER', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 68, 'Image', 'Threshold_FinalThreshold_Cells', 'Per_Image', 'Image_Threshold_FinalThreshold_Cells', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 69, 'Image', 'Threshold_FinalThreshold_Nuclei', 'Per_Image', 'Image_Threshold_FinalThreshold_Nuclei', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 70, 'Image', 'Threshold_OrigThreshold_Cells', 'Per_Image', 'Image_Threshold_OrigThreshold_Cells', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 71, 'Image', 'Threshold_OrigThreshold_Nuclei', 'Per_Image', 'Image_Threshold_OrigThreshold_Nuclei', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 72, 'Image', 'Threshold_SumOfEntropies_Cells', 'Per_Image', 'Image_Threshold_SumOfEntropies_Cells', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 73, 'Image', 'Threshold_SumOfEntropies_Nuclei', 'Per_Image', 'Image_Threshold_SumOfEntropies_Nuclei', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 74, 'Image', 'Threshold_WeightedVariance_Cells', 'Per_Image', 'Image_Threshold_WeightedVariance_Cells', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 75, 'Image', 'Threshold_WeightedVariance_Nuclei', 'Per_Image', 'Image_Threshold_WeightedVariance_Nuclei', 'real' WHERE 1;
INSERT INTO cpexport_columns SELECT 76, 'Image', 'URL_DNA', 'Per_Image', 'Image_URL_DNA', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 77, 'Image', 'URL_ER', 'Per_Image', 'Image_URL_ER', 'text' WHERE 1;
INSERT INTO cpexport_columns SELECT 78, 'Image', 'Width_DNA', 'Per_Image', 'Image_Width_DNA', 'integer' WHERE 1;
INSERT INTO cpexport_columns SELECT 79, 'Image', 'Width_ER', 'Per_Image', 'Image_Width_ER', 'integer' WHERE 1;
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has these columns in other tables" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((NOT EXISTS (SELECT 1 FROM cpexport_columns w JOIN (SELECT * FROM _cpexport_columns WHERE prefix = '') l ON l.object_name = w.object_name AND l.feature = w.feature WHERE NOT (l.table_name = w.t AND l.column_name = w.c))), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has these columns in other tables" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((NOT EXISTS (SELECT 1 FROM cpexport_columns w JOIN (SELECT * FROM _cpexport_columns WHERE prefix = '') l ON l.table_name = w.t AND l.column_name = w.c WHERE NOT (l.object_name = w.object_name AND l.feature = w.feature))), 0);
INSERT INTO cpexport_unknown SELECT w.t FROM cpexport_columns w JOIN (SELECT * FROM _cpexport_columns WHERE prefix = '') l ON l.table_name = w.t AND l.column_name = w.c
  WHERE w.kind <> 'none yet' AND (w.kind, l.type) NOT IN
    (VALUES (w.kind, w.kind), ('integer', 'real'));
INSERT INTO cpexport_unknown SELECT table_name FROM (SELECT * FROM _cpexport_columns WHERE prefix = '') l WHERE table_name NOT IN
  (SELECT t FROM cpexport_columns) AND object_name IN (SELECT object_name FROM cpexport_columns);
INSERT INTO _cpexport_columns SELECT '',
  (SELECT coalesce(max(position), 0) FROM (SELECT * FROM _cpexport_columns WHERE prefix = '') l) + position, object_name, feature, t, c, kind
  FROM cpexport_columns WHERE (t, c) NOT IN (SELECT table_name, column_name FROM (SELECT * FROM _cpexport_columns WHERE prefix = '') l);
INSERT INTO "Per_RelationshipTypes" SELECT coalesce(max(relationship_type_id), 0) + 1, 3, 'Parent', 'Nuclei', 'Cells' FROM "Per_RelationshipTypes" HAVING NOT EXISTS (SELECT 1 FROM "Per_RelationshipTypes" WHERE module_number = 3 AND relationship = 'Parent' AND object_name1 = 'Nuclei' AND object_name2 = 'Cells');
INSERT INTO cpexport_kinds SELECT 1, min(relationship_type_id) FROM "Per_RelationshipTypes" WHERE module_number = 3 AND relationship = 'Parent' AND object_name1 = 'Nuclei' AND object_name2 = 'Cells';
INSERT INTO "Per_RelationshipTypes" SELECT coalesce(max(relationship_type_id), 0) + 1, 4, 'Parent', 'Cells', 'Cytoplasm' FROM "Per_RelationshipTypes" HAVING NOT EXISTS (SELECT 1 FROM "Per_RelationshipTypes" WHERE module_number = 4 AND relationship = 'Parent' AND object_name1 = 'Cells' AND object_name2 = 'Cytoplasm');
INSERT INTO cpexport_kinds SELECT 2, min(relationship_type_id) FROM "Per_RelationshipTypes" WHERE module_number = 4 AND relationship = 'Parent' AND object_name1 = 'Cells' AND object_name2 = 'Cytoplasm';
INSERT INTO "Per_RelationshipTypes" SELECT coalesce(max(relationship_type_id), 0) + 1, 4, 'Removed', 'Nuclei', 'Cytoplasm' FROM "Per_RelationshipTypes" HAVING NOT EXISTS (SELECT 1 FROM "Per_RelationshipTypes" WHERE module_number = 4 AND relationship = 'Removed' AND object_name1 = 'Nuclei' AND object_name2 = 'Cytoplasm');
INSERT INTO cpexport_kinds SELECT 3, min(relationship_type_id) FROM "Per_RelationshipTypes" WHERE module_number = 4 AND relationship = 'Removed' AND object_name1 = 'Nuclei' AND object_name2 = 'Cytoplasm';
INSERT INTO "Per_RelationshipTypes" SELECT coalesce(max(relationship_type_id), 0) + 1, 8, 'Neighbors', 'Nuclei', 'Nuclei' FROM "Per_RelationshipTypes" HAVING NOT EXISTS (SELECT 1 FROM "Per_RelationshipTypes" WHERE module_number = 8 AND relationship = 'Neighbors' AND object_name1 = 'Nuclei' AND object_name2 = 'Nuclei');
INSERT INTO cpexport_kinds SELECT 4, min(relationship_type_id) FROM "Per_RelationshipTypes" WHERE module_number = 8 AND relationship = 'Neighbors' AND object_name1 = 'Nuclei' AND object_name2 = 'Nuclei';
INSERT INTO "Per_RelationshipTypes" SELECT coalesce(max(relationship_type_id), 0) + 1, 10, 'Child', 'BigNuclei', 'Cells' FROM "Per_RelationshipTypes" HAVING NOT EXISTS (SELECT 1 FROM "Per_RelationshipTypes" WHERE module_number = 10 AND relationship = 'Child' AND object_name1 = 'BigNuclei' AND object_name2 = 'Cells');
INSERT INTO cpexport_kinds SELECT 5, min(relationship_type_id) FROM "Per_RelationshipTypes" WHERE module_number = 10 AND relationship = 'Child' AND object_name1 = 'BigNuclei' AND object_name2 = 'Cells';
INSERT INTO "Per_RelationshipTypes" SELECT coalesce(max(relationship_type_id), 0) + 1, 10, 'Parent', 'Cells', 'BigNuclei' FROM "Per_RelationshipTypes" HAVING NOT EXISTS (SELECT 1 FROM "Per_RelationshipTypes" WHERE module_number = 10 AND relationship = 'Parent' AND object_name1 = 'Cells' AND object_name2 = 'BigNuclei');
INSERT INTO cpexport_kinds SELECT 6, min(relationship_type_id) FROM "Per_RelationshipTypes" WHERE module_number = 10 AND relationship = 'Parent' AND object_name1 = 'Cells' AND object_name2 = 'BigNuclei';
INSERT INTO cpexport_known SELECT '<sha>', '<sha>' WHERE 1;
COMMIT;

-- batch 1 of 1: image sets 1
BEGIN IMMEDIATE;
DELETE FROM cpexport_batch;
INSERT INTO cpexport_batch SELECT max(batch_id), max(batch_id) IS NULL OR coalesce((SELECT digest <>
  '<sha>' FROM _cpexport_script WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = ''), 0), 0
  FROM _cpexport_batches WHERE prefix = '' AND table_number = 0 AND (signature = '<sha>' OR (fingerprint = '<sha>' AND NOT EXISTS (SELECT 1 FROM _cpexport_batches WHERE prefix = '' AND table_number = 0 AND signature = '<sha>')));
UPDATE cpexport_batch SET kept = (SELECT count(*) = 1 AND total(number BETWEEN 1 AND 1) = 1
  FROM _cpexport_sets WHERE prefix = '' AND table_number = 0 AND batch_id = cpexport_batch.id);
INSERT INTO cpexport_loaded SELECT new FROM cpexport_batch;
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "the database has image sets 1 from other outputs" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((NOT (SELECT new FROM cpexport_batch) OR (SELECT count(*) FROM _cpexport_sets JOIN _cpexport_batches b USING (batch_id) WHERE b.prefix = '' AND b.table_number = 0 AND (number BETWEEN 1 AND 1) AND signature NOT IN (SELECT signature FROM cpexport_known)) = 0), 0);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "a table has more than this script knows; run cpexport script again, or use cpexport load" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((NOT (SELECT new FROM cpexport_batch) OR NOT EXISTS (SELECT 1 FROM cpexport_unknown)), 0);
DELETE FROM "Per_Image" WHERE (SELECT new AND (NOT kept OR coalesce((SELECT digest <> '<sha>' FROM _cpexport_script WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = 'Per_Image'), 1)) FROM cpexport_batch) AND ImageNumber IN (SELECT number FROM _cpexport_sets WHERE prefix = '' AND table_number = 0 AND (batch_id = (SELECT id FROM cpexport_batch) OR number BETWEEN 1 AND 1));
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "data/1_1_Image.csv has changed since it was written, or is missing" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((lower(hex(sha3(readfile('data/1_1_Image.csv'), 256))) = '<sha>'), 0);
DROP TABLE IF EXISTS temp.cpexport_rows;
CREATE TEMP TABLE cpexport_rows ("ImageNumber", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn", "Image_Count_BigNuclei", "Image_Count_Cells", "Image_Count_Cytoplasm", "Image_Count_Nuclei", "Image_Count_SmallNuclei", "Image_ExecutionTime_01LoadData", "Image_ExecutionTime_02IdentifyPrimaryObjects", "Image_ExecutionTime_03IdentifySecondaryObjects", "Image_ExecutionTime_04IdentifyTertiaryObjects", "Image_ExecutionTime_05MeasureObjectSizeShape", "Image_ExecutionTime_06MeasureObjectIntensity", "Image_ExecutionTime_07MeasureImageIntensity", "Image_ExecutionTime_08MeasureObjectNeighbors", "Image_ExecutionTime_09FilterObjects", "Image_ExecutionTime_10RelateObjects", "Image_ExecutionTime_11ClassifyObjects", "Image_ExecutionTime_12FlagImage", "Image_FileName_DNA", "Image_FileName_ER", "Image_Group_Index", "Image_Group_Length", "Image_Group_Number", "Image_Height_DNA", "Image_Height_ER", "Image_Intensity_LowerQuartileIntensity_DNA", "Image_Intensity_LowerQuartileIntensity_ER", "Image_Intensity_MADIntensity_DNA", "Image_Intensity_MADIntensity_ER", "Image_Intensity_MaxIntensity_DNA", "Image_Intensity_MaxIntensity_ER", "Image_Intensity_MeanIntensity_DNA", "Image_Intensity_MeanIntensity_ER", "Image_Intensity_MedianIntensity_DNA", "Image_Intensity_MedianIntensity_ER", "Image_Intensity_MinIntensity_DNA", "Image_Intensity_MinIntensity_ER", "Image_Intensity_PercentMaximal_DNA", "Image_Intensity_PercentMaximal_ER", "Image_Intensity_StdIntensity_DNA", "Image_Intensity_StdIntensity_ER", "Image_Intensity_TotalArea_DNA", "Image_Intensity_TotalArea_ER", "Image_Intensity_TotalIntensity_DNA", "Image_Intensity_TotalIntensity_ER", "Image_Intensity_UpperQuartileIntensity_DNA", "Image_Intensity_UpperQuartileIntensity_ER", "Image_MD5Digest_DNA", "Image_MD5Digest_ER", "Image_Metadata_Compound", "Image_Metadata_Dose", "Image_Metadata_Plate", "Image_Metadata_QCFlag", "Image_Metadata_Site", "Image_Metadata_Well", "Image_PathName_DNA", "Image_PathName_ER", "Image_Scaling_DNA", "Image_Scaling_ER", "Image_Threshold_FinalThreshold_Cells", "Image_Threshold_FinalThreshold_Nuclei", "Image_Threshold_OrigThreshold_Cells", "Image_Threshold_OrigThreshold_Nuclei", "Image_Threshold_SumOfEntropies_Cells", "Image_Threshold_SumOfEntropies_Nuclei", "Image_Threshold_WeightedVariance_Cells", "Image_Threshold_WeightedVariance_Nuclei", "Image_URL_DNA", "Image_URL_ER", "Image_Width_DNA", "Image_Width_ER");
.import --csv --schema temp --skip 1 data/1_1_Image.csv cpexport_rows
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "data/1_1_Image.csv does not have 1 rows" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM temp.cpexport_rows) = 1), 0);
INSERT INTO "Per_Image" ("ImageNumber", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn", "Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn", "Image_Count_BigNuclei", "Image_Count_Cells", "Image_Count_Cytoplasm", "Image_Count_Nuclei", "Image_Count_SmallNuclei", "Image_ExecutionTime_01LoadData", "Image_ExecutionTime_02IdentifyPrimaryObjects", "Image_ExecutionTime_03IdentifySecondaryObjects", "Image_ExecutionTime_04IdentifyTertiaryObjects", "Image_ExecutionTime_05MeasureObjectSizeShape", "Image_ExecutionTime_06MeasureObjectIntensity", "Image_ExecutionTime_07MeasureImageIntensity", "Image_ExecutionTime_08MeasureObjectNeighbors", "Image_ExecutionTime_09FilterObjects", "Image_ExecutionTime_10RelateObjects", "Image_ExecutionTime_11ClassifyObjects", "Image_ExecutionTime_12FlagImage", "Image_FileName_DNA", "Image_FileName_ER", "Image_Group_Index", "Image_Group_Length", "Image_Group_Number", "Image_Height_DNA", "Image_Height_ER", "Image_Intensity_LowerQuartileIntensity_DNA", "Image_Intensity_LowerQuartileIntensity_ER", "Image_Intensity_MADIntensity_DNA", "Image_Intensity_MADIntensity_ER", "Image_Intensity_MaxIntensity_DNA", "Image_Intensity_MaxIntensity_ER", "Image_Intensity_MeanIntensity_DNA", "Image_Intensity_MeanIntensity_ER", "Image_Intensity_MedianIntensity_DNA", "Image_Intensity_MedianIntensity_ER", "Image_Intensity_MinIntensity_DNA", "Image_Intensity_MinIntensity_ER", "Image_Intensity_PercentMaximal_DNA", "Image_Intensity_PercentMaximal_ER", "Image_Intensity_StdIntensity_DNA", "Image_Intensity_StdIntensity_ER", "Image_Intensity_TotalArea_DNA", "Image_Intensity_TotalArea_ER", "Image_Intensity_TotalIntensity_DNA", "Image_Intensity_TotalIntensity_ER", "Image_Intensity_UpperQuartileIntensity_DNA", "Image_Intensity_UpperQuartileIntensity_ER", "Image_MD5Digest_DNA", "Image_MD5Digest_ER", "Image_Metadata_Compound", "Image_Metadata_Dose", "Image_Metadata_Plate", "Image_Metadata_QCFlag", "Image_Metadata_Site", "Image_Metadata_Well", "Image_PathName_DNA", "Image_PathName_ER", "Image_Scaling_DNA", "Image_Scaling_ER", "Image_Threshold_FinalThreshold_Cells", "Image_Threshold_FinalThreshold_Nuclei", "Image_Threshold_OrigThreshold_Cells", "Image_Threshold_OrigThreshold_Nuclei", "Image_Threshold_SumOfEntropies_Cells", "Image_Threshold_SumOfEntropies_Nuclei", "Image_Threshold_WeightedVariance_Cells", "Image_Threshold_WeightedVariance_Nuclei", "Image_URL_DNA", "Image_URL_ER", "Image_Width_DNA", "Image_Width_ER") SELECT CAST(NULLIF("ImageNumber", '\N') AS INTEGER), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBn", '\N') AS INTEGER), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn", instr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBn", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBn", '\N') AS INTEGER), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn", instr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBn", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBn", '\N') AS INTEGER), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn", instr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBn", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBn", '\N') AS INTEGER), CAST(NULLIF("Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn", instr("Image_Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBn", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Count_BigNuclei", '\N') AS INTEGER), CAST(NULLIF("Image_Count_Cells", '\N') AS INTEGER), CAST(NULLIF("Image_Count_Cytoplasm", '\N') AS INTEGER), CAST(NULLIF("Image_Count_Nuclei", '\N') AS INTEGER), CAST(NULLIF("Image_Count_SmallNuclei", '\N') AS INTEGER), CAST(NULLIF("Image_ExecutionTime_01LoadData", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_01LoadData", instr("Image_ExecutionTime_01LoadData", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_02IdentifyPrimaryObjects", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_02IdentifyPrimaryObjects", instr("Image_ExecutionTime_02IdentifyPrimaryObjects", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_03IdentifySecondaryObjects", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_03IdentifySecondaryObjects", instr("Image_ExecutionTime_03IdentifySecondaryObjects", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_04IdentifyTertiaryObjects", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_04IdentifyTertiaryObjects", instr("Image_ExecutionTime_04IdentifyTertiaryObjects", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_05MeasureObjectSizeShape", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_05MeasureObjectSizeShape", instr("Image_ExecutionTime_05MeasureObjectSizeShape", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_06MeasureObjectIntensity", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_06MeasureObjectIntensity", instr("Image_ExecutionTime_06MeasureObjectIntensity", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_07MeasureImageIntensity", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_07MeasureImageIntensity", instr("Image_ExecutionTime_07MeasureImageIntensity", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_08MeasureObjectNeighbors", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_08MeasureObjectNeighbors", instr("Image_ExecutionTime_08MeasureObjectNeighbors", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_09FilterObjects", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_09FilterObjects", instr("Image_ExecutionTime_09FilterObjects", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_10RelateObjects", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_10RelateObjects", instr("Image_ExecutionTime_10RelateObjects", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_11ClassifyObjects", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_11ClassifyObjects", instr("Image_ExecutionTime_11ClassifyObjects", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_ExecutionTime_12FlagImage", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_ExecutionTime_12FlagImage", instr("Image_ExecutionTime_12FlagImage", 'p') + 1) AS INTEGER)), CASE WHEN "Image_FileName_DNA" = '\N' THEN NULL WHEN "Image_FileName_DNA" LIKE '\%' THEN substr("Image_FileName_DNA", 2) ELSE "Image_FileName_DNA" END, CASE WHEN "Image_FileName_ER" = '\N' THEN NULL WHEN "Image_FileName_ER" LIKE '\%' THEN substr("Image_FileName_ER", 2) ELSE "Image_FileName_ER" END, CAST(NULLIF("Image_Group_Index", '\N') AS INTEGER), CAST(NULLIF("Image_Group_Length", '\N') AS INTEGER), CAST(NULLIF("Image_Group_Number", '\N') AS INTEGER), CAST(NULLIF("Image_Height_DNA", '\N') AS INTEGER), CAST(NULLIF("Image_Height_ER", '\N') AS INTEGER), CAST(NULLIF("Image_Intensity_LowerQuartileIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_LowerQuartileIntensity_DNA", instr("Image_Intensity_LowerQuartileIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_LowerQuartileIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_LowerQuartileIntensity_ER", instr("Image_Intensity_LowerQuartileIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MADIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MADIntensity_DNA", instr("Image_Intensity_MADIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MADIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MADIntensity_ER", instr("Image_Intensity_MADIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MaxIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MaxIntensity_DNA", instr("Image_Intensity_MaxIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MaxIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MaxIntensity_ER", instr("Image_Intensity_MaxIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MeanIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MeanIntensity_DNA", instr("Image_Intensity_MeanIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MeanIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MeanIntensity_ER", instr("Image_Intensity_MeanIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MedianIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MedianIntensity_DNA", instr("Image_Intensity_MedianIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MedianIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MedianIntensity_ER", instr("Image_Intensity_MedianIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MinIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MinIntensity_DNA", instr("Image_Intensity_MinIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_MinIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_MinIntensity_ER", instr("Image_Intensity_MinIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_PercentMaximal_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_PercentMaximal_DNA", instr("Image_Intensity_PercentMaximal_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_PercentMaximal_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_PercentMaximal_ER", instr("Image_Intensity_PercentMaximal_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_StdIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_StdIntensity_DNA", instr("Image_Intensity_StdIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_StdIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_StdIntensity_ER", instr("Image_Intensity_StdIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_TotalArea_DNA", '\N') AS INTEGER), CAST(NULLIF("Image_Intensity_TotalArea_ER", '\N') AS INTEGER), CAST(NULLIF("Image_Intensity_TotalIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_TotalIntensity_DNA", instr("Image_Intensity_TotalIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_TotalIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_TotalIntensity_ER", instr("Image_Intensity_TotalIntensity_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_UpperQuartileIntensity_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_UpperQuartileIntensity_DNA", instr("Image_Intensity_UpperQuartileIntensity_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Intensity_UpperQuartileIntensity_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Intensity_UpperQuartileIntensity_ER", instr("Image_Intensity_UpperQuartileIntensity_ER", 'p') + 1) AS INTEGER)), CASE WHEN "Image_MD5Digest_DNA" = '\N' THEN NULL WHEN "Image_MD5Digest_DNA" LIKE '\%' THEN substr("Image_MD5Digest_DNA", 2) ELSE "Image_MD5Digest_DNA" END, CASE WHEN "Image_MD5Digest_ER" = '\N' THEN NULL WHEN "Image_MD5Digest_ER" LIKE '\%' THEN substr("Image_MD5Digest_ER", 2) ELSE "Image_MD5Digest_ER" END, CASE WHEN "Image_Metadata_Compound" = '\N' THEN NULL WHEN "Image_Metadata_Compound" LIKE '\%' THEN substr("Image_Metadata_Compound", 2) ELSE "Image_Metadata_Compound" END, CAST(NULLIF("Image_Metadata_Dose", '\N') AS INTEGER), CASE WHEN "Image_Metadata_Plate" = '\N' THEN NULL WHEN "Image_Metadata_Plate" LIKE '\%' THEN substr("Image_Metadata_Plate", 2) ELSE "Image_Metadata_Plate" END, CAST(NULLIF("Image_Metadata_QCFlag", '\N') AS INTEGER), CAST(NULLIF("Image_Metadata_Site", '\N') AS INTEGER), CASE WHEN "Image_Metadata_Well" = '\N' THEN NULL WHEN "Image_Metadata_Well" LIKE '\%' THEN substr("Image_Metadata_Well", 2) ELSE "Image_Metadata_Well" END, CASE WHEN "Image_PathName_DNA" = '\N' THEN NULL WHEN "Image_PathName_DNA" LIKE '\%' THEN substr("Image_PathName_DNA", 2) ELSE "Image_PathName_DNA" END, CASE WHEN "Image_PathName_ER" = '\N' THEN NULL WHEN "Image_PathName_ER" LIKE '\%' THEN substr("Image_PathName_ER", 2) ELSE "Image_PathName_ER" END, CAST(NULLIF("Image_Scaling_DNA", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Scaling_DNA", instr("Image_Scaling_DNA", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Scaling_ER", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Scaling_ER", instr("Image_Scaling_ER", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_FinalThreshold_Cells", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_FinalThreshold_Cells", instr("Image_Threshold_FinalThreshold_Cells", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_FinalThreshold_Nuclei", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_FinalThreshold_Nuclei", instr("Image_Threshold_FinalThreshold_Nuclei", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_OrigThreshold_Cells", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_OrigThreshold_Cells", instr("Image_Threshold_OrigThreshold_Cells", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_OrigThreshold_Nuclei", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_OrigThreshold_Nuclei", instr("Image_Threshold_OrigThreshold_Nuclei", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_SumOfEntropies_Cells", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_SumOfEntropies_Cells", instr("Image_Threshold_SumOfEntropies_Cells", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_SumOfEntropies_Nuclei", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_SumOfEntropies_Nuclei", instr("Image_Threshold_SumOfEntropies_Nuclei", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_WeightedVariance_Cells", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_WeightedVariance_Cells", instr("Image_Threshold_WeightedVariance_Cells", 'p') + 1) AS INTEGER)), CAST(NULLIF("Image_Threshold_WeightedVariance_Nuclei", '\N') AS INTEGER) * pow(2.0, CAST(substr("Image_Threshold_WeightedVariance_Nuclei", instr("Image_Threshold_WeightedVariance_Nuclei", 'p') + 1) AS INTEGER)), CASE WHEN "Image_URL_DNA" = '\N' THEN NULL WHEN "Image_URL_DNA" LIKE '\%' THEN substr("Image_URL_DNA", 2) ELSE "Image_URL_DNA" END, CASE WHEN "Image_URL_ER" = '\N' THEN NULL WHEN "Image_URL_ER" LIKE '\%' THEN substr("Image_URL_ER", 2) ELSE "Image_URL_ER" END, CAST(NULLIF("Image_Width_DNA", '\N') AS INTEGER), CAST(NULLIF("Image_Width_ER", '\N') AS INTEGER) FROM temp.cpexport_rows WHERE (SELECT new AND (NOT kept OR coalesce((SELECT digest <> '<sha>' FROM _cpexport_script WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = 'Per_Image'), 1)) FROM cpexport_batch);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Per_Image does not have 1 rows of the batch" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((NOT (SELECT new FROM cpexport_batch) OR (SELECT count(*) FROM "Per_Image" WHERE (ImageNumber BETWEEN 1 AND 1)) = 1), 0);
DELETE FROM "Per_Relationships" WHERE (SELECT new AND (NOT kept OR coalesce((SELECT digest <> '<sha>' FROM _cpexport_script WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = 'Per_Relationships'), 1)) FROM cpexport_batch) AND image_number1 IN (SELECT number FROM _cpexport_sets WHERE prefix = '' AND table_number = 0 AND (batch_id = (SELECT id FROM cpexport_batch) OR number BETWEEN 1 AND 1));
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "data/1_1_Relationships.csv has changed since it was written, or is missing" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((lower(hex(sha3(readfile('data/1_1_Relationships.csv'), 256))) = '<sha>'), 0);
DROP TABLE IF EXISTS temp.cpexport_rows;
CREATE TEMP TABLE cpexport_rows ("relationship_type_id", "image_number1", "object_number1", "image_number2", "object_number2");
.import --csv --schema temp --skip 1 data/1_1_Relationships.csv cpexport_rows
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "data/1_1_Relationships.csv does not have 243 rows" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM temp.cpexport_rows) = 243), 0);
INSERT INTO "Per_Relationships" ("relationship_type_id", "image_number1", "object_number1", "image_number2", "object_number2") SELECT (SELECT id FROM cpexport_kinds WHERE number = CAST(NULLIF("relationship_type_id", '\N') AS INTEGER)), CAST(NULLIF("image_number1", '\N') AS INTEGER), CAST(NULLIF("object_number1", '\N') AS INTEGER), CAST(NULLIF("image_number2", '\N') AS INTEGER), CAST(NULLIF("object_number2", '\N') AS INTEGER) FROM temp.cpexport_rows WHERE (SELECT new AND (NOT kept OR coalesce((SELECT digest <> '<sha>' FROM _cpexport_script WHERE prefix = '' AND table_number = 0 AND signature = '<sha>' AND table_name = 'Per_Relationships'), 1)) FROM cpexport_batch);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "Per_Relationships does not have 243 rows of the batch" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((NOT (SELECT new FROM cpexport_batch) OR (SELECT count(*) FROM "Per_Relationships" WHERE (image_number1 BETWEEN 1 AND 1)) = 243), 0);
DELETE FROM _cpexport_sets WHERE (SELECT new FROM cpexport_batch) AND prefix = '' AND table_number = 0 AND (batch_id = (SELECT id FROM cpexport_batch) OR number BETWEEN 1 AND 1);
DELETE FROM _cpexport_tables WHERE (SELECT new FROM cpexport_batch) AND batch_id = (SELECT id FROM cpexport_batch);
DELETE FROM _cpexport_measured WHERE (SELECT new FROM cpexport_batch) AND batch_id = (SELECT id FROM cpexport_batch);
DELETE FROM _cpexport_features WHERE (SELECT new FROM cpexport_batch) AND batch_id = (SELECT id FROM cpexport_batch);
DELETE FROM _cpexport_batches WHERE (SELECT new FROM cpexport_batch) AND batch_id = (SELECT id FROM cpexport_batch);
DELETE FROM _cpexport_script WHERE (SELECT new FROM cpexport_batch) AND prefix = '' AND table_number = 0 AND signature = '<sha>';
DELETE FROM _cpexport_settings WHERE (SELECT new FROM cpexport_batch) AND prefix = '' AND table_number = 0 AND name NOT IN ('key', 'schema', 'shape', 'made', 'views', 'layout', 'changing', 'experiment_id', 'view', 'measured', 'unmeasured', 'indexes', 'places', 'planned', 'wells', 'experiment_first');
UPDATE cpexport_batch SET id = (SELECT coalesce(max(batch_id), 0) + 1 FROM _cpexport_batches) WHERE id IS NULL;
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "data/1_1_Sets.csv has changed since it was written, or is missing" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((lower(hex(sha3(readfile('data/1_1_Sets.csv'), 256))) = '<sha>'), 0);
DROP TABLE IF EXISTS temp.cpexport_rows;
CREATE TEMP TABLE cpexport_rows ("number", "identity");
.import --csv --schema temp --skip 1 data/1_1_Sets.csv cpexport_rows
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "data/1_1_Sets.csv does not have 1 rows" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce(((SELECT count(*) FROM temp.cpexport_rows) = 1), 0);
INSERT INTO "_cpexport_sets" (prefix, table_number, batch_id, "number", "identity") SELECT '', 0, (SELECT id FROM cpexport_batch), CAST(NULLIF("number", '\N') AS INTEGER), CASE WHEN "identity" = '\N' THEN NULL WHEN "identity" LIKE '\%' THEN substr("identity", 2) ELSE "identity" END FROM temp.cpexport_rows WHERE (SELECT new FROM cpexport_batch);
DROP TABLE IF EXISTS temp.cpexport_check;
CREATE TEMP TABLE cpexport_check (ok CONSTRAINT "_cpexport_sets does not have 1 rows of the batch" CHECK (ok));
INSERT INTO temp.cpexport_check SELECT coalesce((NOT (SELECT new FROM cpexport_batch) OR (SELECT count(*) FROM "_cpexport_sets" WHERE prefix = '' AND table_number = 0 AND batch_id = (SELECT id FROM cpexport_batch)) = 1), 0);
INSERT INTO _cpexport_batches SELECT id, '', 0, '/data/P1-A01-1', 'spreadsheet', '<sha>', '<sha>', '1', '1', '', '["Metadata_Plate", "Metadata_Well", "Metadata_Site"]', 'complete', '', '<time>', <nanoseconds>, '4.2.8.1', '<sha>', strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now'), '0.2.0' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_tables SELECT id, 'Per_BigNuclei', 0, 0, 0, '{}' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_tables SELECT id, 'Per_Cells', 0, 0, 0, '{}' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_tables SELECT id, 'Per_Cytoplasm', 0, 0, 0, '{}' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_tables SELECT id, 'Per_Image', 1, 0, 0, '{}' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_tables SELECT id, 'Per_Nuclei', 0, 0, 0, '{}' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_tables SELECT id, 'Per_Relationships', 243, 0, 0, '{}' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_feature_sets SELECT '<sha>', id, '{"counted_none":[],"features":{"BigNuclei":["Distance_Centroid_Cells","Distance_Minimum_Cells","Location_Center_X","Location_Center_Y","Location_Center_Z","Number_Object_Number","Parent_Cells","Parent_Nuclei"],"Cells":["AreaShape_Area","AreaShape_BoundingBoxArea","AreaShape_BoundingBoxMaximum_X","AreaShape_BoundingBoxMaximum_Y","AreaShape_BoundingBoxMinimum_X","AreaShape_BoundingBoxMinimum_Y","AreaShape_Center_X","AreaShape_Center_Y","AreaShape_Compactness","AreaShape_ConvexArea","AreaShape_Eccentricity","AreaShape_EquivalentDiameter","AreaShape_EulerNumber","AreaShape_Extent","AreaShape_FormFactor","AreaShape_MajorAxisLength","AreaShape_MaxFeretDiameter","AreaShape_MaximumRadius","AreaShape_MeanRadius","AreaShape_MedianRadius","AreaShape_MinFeretDiameter","AreaShape_MinorAxisLength","AreaShape_Orientation","AreaShape_Perimeter","AreaShape_Solidity","Children_BigNuclei_Count","Children_Cytoplasm_Count","Intensity_IntegratedIntensityEdge_DNA","Intensity_IntegratedIntensityEdge_ER","Intensity_IntegratedIntensity_DNA","Intensity_IntegratedIntensity_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MassDisplacement_DNA","Intensity_MassDisplacement_ER","Intensity_MaxIntensityEdge_DNA","Intensity_MaxIntensityEdge_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensityEdge_DNA","Intensity_MeanIntensityEdge_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensityEdge_DNA","Intensity_MinIntensityEdge_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_StdIntensityEdge_DNA","Intensity_StdIntensityEdge_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","Location_CenterMassIntensity_X_DNA","Location_CenterMassIntensity_X_ER","Location_CenterMassIntensity_Y_DNA","Location_CenterMassIntensity_Y_ER","Location_CenterMassIntensity_Z_DNA","Location_CenterMassIntensity_Z_ER","Location_Center_X","Location_Center_Y","Location_Center_Z","Location_MaxIntensity_X_DNA","Location_MaxIntensity_X_ER","Location_MaxIntensity_Y_DNA","Location_MaxIntensity_Y_ER","Location_MaxIntensity_Z_DNA","Location_MaxIntensity_Z_ER","Mean_BigNuclei_Distance_Centroid_Cells","Mean_BigNuclei_Distance_Minimum_Cells","Mean_BigNuclei_Location_Center_X","Mean_BigNuclei_Location_Center_Y","Mean_BigNuclei_Location_Center_Z","Mean_BigNuclei_Number_Object_Number","Number_Object_Number","Parent_Nuclei"],"Cytoplasm":["AreaShape_Area","AreaShape_BoundingBoxArea","AreaShape_BoundingBoxMaximum_X","AreaShape_BoundingBoxMaximum_Y","AreaShape_BoundingBoxMinimum_X","AreaShape_BoundingBoxMinimum_Y","AreaShape_Center_X","AreaShape_Center_Y","AreaShape_Compactness","AreaShape_ConvexArea","AreaShape_Eccentricity","AreaShape_EquivalentDiameter","AreaShape_EulerNumber","AreaShape_Extent","AreaShape_FormFactor","AreaShape_MajorAxisLength","AreaShape_MaxFeretDiameter","AreaShape_MaximumRadius","AreaShape_MeanRadius","AreaShape_MedianRadius","AreaShape_MinFeretDiameter","AreaShape_MinorAxisLength","AreaShape_Orientation","AreaShape_Perimeter","AreaShape_Solidity","Intensity_IntegratedIntensityEdge_DNA","Intensity_IntegratedIntensityEdge_ER","Intensity_IntegratedIntensity_DNA","Intensity_IntegratedIntensity_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MassDisplacement_DNA","Intensity_MassDisplacement_ER","Intensity_MaxIntensityEdge_DNA","Intensity_MaxIntensityEdge_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensityEdge_DNA","Intensity_MeanIntensityEdge_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensityEdge_DNA","Intensity_MinIntensityEdge_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_StdIntensityEdge_DNA","Intensity_StdIntensityEdge_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","Location_CenterMassIntensity_X_DNA","Location_CenterMassIntensity_X_ER","Location_CenterMassIntensity_Y_DNA","Location_CenterMassIntensity_Y_ER","Location_CenterMassIntensity_Z_DNA","Location_CenterMassIntensity_Z_ER","Location_Center_X","Location_Center_Y","Location_MaxIntensity_X_DNA","Location_MaxIntensity_X_ER","Location_MaxIntensity_Y_DNA","Location_MaxIntensity_Y_ER","Location_MaxIntensity_Z_DNA","Location_MaxIntensity_Z_ER","Number_Object_Number","Parent_Cells","Parent_Nuclei"],"Image":["Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_1_PctObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_2_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_2_PctObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_3_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_3_PctObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_4_NumObjectsPerBin","Classify_Intensity_MeanIntensity_DNA_Bin_4_PctObjectsPerBin","Count_BigNuclei","Count_Cells","Count_Cytoplasm","Count_Nuclei","Count_SmallNuclei","ExecutionTime_01LoadData","ExecutionTime_02IdentifyPrimaryObjects","ExecutionTime_03IdentifySecondaryObjects","ExecutionTime_04IdentifyTertiaryObjects","ExecutionTime_05MeasureObjectSizeShape","ExecutionTime_06MeasureObjectIntensity","ExecutionTime_07MeasureImageIntensity","ExecutionTime_08MeasureObjectNeighbors","ExecutionTime_09FilterObjects","ExecutionTime_10RelateObjects","ExecutionTime_11ClassifyObjects","ExecutionTime_12FlagImage","FileName_DNA","FileName_ER","Group_Index","Group_Length","Group_Number","Height_DNA","Height_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_PercentMaximal_DNA","Intensity_PercentMaximal_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_TotalArea_DNA","Intensity_TotalArea_ER","Intensity_TotalIntensity_DNA","Intensity_TotalIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","MD5Digest_DNA","MD5Digest_ER","Metadata_Compound","Metadata_Dose","Metadata_Plate","Metadata_QCFlag","Metadata_Site","Metadata_Well","PathName_DNA","PathName_ER","Scaling_DNA","Scaling_ER","Threshold_FinalThreshold_Cells","Threshold_FinalThreshold_Nuclei","Threshold_OrigThreshold_Cells","Threshold_OrigThreshold_Nuclei","Threshold_SumOfEntropies_Cells","Threshold_SumOfEntropies_Nuclei","Threshold_WeightedVariance_Cells","Threshold_WeightedVariance_Nuclei","URL_DNA","URL_ER","Width_DNA","Width_ER"],"Nuclei":["AreaShape_Area","AreaShape_BoundingBoxArea","AreaShape_BoundingBoxMaximum_X","AreaShape_BoundingBoxMaximum_Y","AreaShape_BoundingBoxMinimum_X","AreaShape_BoundingBoxMinimum_Y","AreaShape_Center_X","AreaShape_Center_Y","AreaShape_Compactness","AreaShape_ConvexArea","AreaShape_Eccentricity","AreaShape_EquivalentDiameter","AreaShape_EulerNumber","AreaShape_Extent","AreaShape_FormFactor","AreaShape_MajorAxisLength","AreaShape_MaxFeretDiameter","AreaShape_MaximumRadius","AreaShape_MeanRadius","AreaShape_MedianRadius","AreaShape_MinFeretDiameter","AreaShape_MinorAxisLength","AreaShape_Orientation","AreaShape_Perimeter","AreaShape_Solidity","Children_BigNuclei_Count","Children_Cells_Count","Children_Cytoplasm_Count","Children_SmallNuclei_Count","Classify_Intensity_MeanIntensity_DNA_Bin_1","Classify_Intensity_MeanIntensity_DNA_Bin_2","Classify_Intensity_MeanIntensity_DNA_Bin_3","Classify_Intensity_MeanIntensity_DNA_Bin_4","Intensity_IntegratedIntensityEdge_DNA","Intensity_IntegratedIntensityEdge_ER","Intensity_IntegratedIntensity_DNA","Intensity_IntegratedIntensity_ER","Intensity_LowerQuartileIntensity_DNA","Intensity_LowerQuartileIntensity_ER","Intensity_MADIntensity_DNA","Intensity_MADIntensity_ER","Intensity_MassDisplacement_DNA","Intensity_MassDisplacement_ER","Intensity_MaxIntensityEdge_DNA","Intensity_MaxIntensityEdge_ER","Intensity_MaxIntensity_DNA","Intensity_MaxIntensity_ER","Intensity_MeanIntensityEdge_DNA","Intensity_MeanIntensityEdge_ER","Intensity_MeanIntensity_DNA","Intensity_MeanIntensity_ER","Intensity_MedianIntensity_DNA","Intensity_MedianIntensity_ER","Intensity_MinIntensityEdge_DNA","Intensity_MinIntensityEdge_ER","Intensity_MinIntensity_DNA","Intensity_MinIntensity_ER","Intensity_StdIntensityEdge_DNA","Intensity_StdIntensityEdge_ER","Intensity_StdIntensity_DNA","Intensity_StdIntensity_ER","Intensity_UpperQuartileIntensity_DNA","Intensity_UpperQuartileIntensity_ER","Location_CenterMassIntensity_X_DNA","Location_CenterMassIntensity_X_ER","Location_CenterMassIntensity_Y_DNA","Location_CenterMassIntensity_Y_ER","Location_CenterMassIntensity_Z_DNA","Location_CenterMassIntensity_Z_ER","Location_Center_X","Location_Center_Y","Location_Center_Z","Location_MaxIntensity_X_DNA","Location_MaxIntensity_X_ER","Location_MaxIntensity_Y_DNA","Location_MaxIntensity_Y_ER","Location_MaxIntensity_Z_DNA","Location_MaxIntensity_Z_ER","Neighbors_AngleBetweenNeighbors_Expanded","Neighbors_FirstClosestDistance_Expanded","Neighbors_FirstClosestObjectNumber_Expanded","Neighbors_NumberOfNeighbors_Expanded","Neighbors_PercentTouching_Expanded","Neighbors_SecondClosestDistance_Expanded","Neighbors_SecondClosestObjectNumber_Expanded","Number_Object_Number"]}}' FROM cpexport_batch WHERE new AND NOT EXISTS (SELECT 1 FROM _cpexport_feature_sets WHERE digest = '<sha>');
INSERT INTO _cpexport_features SELECT id, '<sha>' FROM cpexport_batch WHERE new;
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', '', '<sha>' WHERE (SELECT new FROM cpexport_batch);
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', 'Per_Image', '<sha>' WHERE (SELECT new FROM cpexport_batch);
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', 'Per_Relationships', '<sha>' WHERE (SELECT new FROM cpexport_batch);
INSERT INTO _cpexport_script SELECT '', 0, '<sha>', '_cpexport_sets', '<sha>' WHERE (SELECT new FROM cpexport_batch);
COMMIT;

-- the run as a whole
BEGIN IMMEDIATE;
DELETE FROM cpexport_whole;
INSERT INTO cpexport_whole SELECT (SELECT count(*) FROM _cpexport_batches b WHERE prefix = '' AND table_number = 0 AND NOT EXISTS (SELECT 1 FROM _cpexport_script s JOIN cpexport_known k USING (signature, digest) WHERE s.prefix = '' AND table_number = 0 AND s.table_name = '' AND signature = b.signature)) = 0, coalesce((SELECT min(value + 0) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_first') > 1, 1);
DELETE FROM "Per_Experiment" WHERE (SELECT whole OR first FROM cpexport_whole);
INSERT INTO "Per_Experiment" ("Pipeline_Pipeline", "CellProfiler_Version", "Run_Timestamp", "Modification_Timestamp") SELECT X'<pipeline>', '4.2.8.1', '<time>', '<time>' WHERE (SELECT whole OR first FROM cpexport_whole);
DELETE FROM _cpexport_settings WHERE (SELECT whole OR first FROM cpexport_whole) AND prefix = '' AND table_number = 0 AND name = 'experiment_first';
INSERT INTO _cpexport_settings SELECT '', 0, 'experiment_first', '1' WHERE (SELECT whole OR first FROM cpexport_whole);
INSERT INTO Experiment SELECT coalesce(max(experiment_id), 0) + 1, 'cpexport' FROM Experiment HAVING (SELECT whole FROM cpexport_whole) AND NOT EXISTS (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id');
INSERT INTO _cpexport_settings SELECT '', 0, 'experiment_id', CAST(max(experiment_id) AS TEXT) FROM Experiment HAVING (SELECT whole FROM cpexport_whole) AND NOT EXISTS (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id');
DELETE FROM Experiment_Properties WHERE (SELECT whole FROM cpexport_whole) AND experiment_id = (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id');
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'db_type', 'sqlite' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'db_sqlite_file', 'cpexport.sqlite' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_table', 'Per_Image' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'object_table', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_id', 'ImageNumber' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'object_id', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'plate_id', 'Image_Metadata_Plate' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'well_id', 'Image_Metadata_Well' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'series_id', 'Image_Group_Number' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'group_id', 'Image_Group_Number' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'timepoint_id', 'Image_Group_Index' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'cell_x_loc', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'cell_y_loc', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'cell_z_loc', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_path_cols', 'Image_PathName_DNA,Image_PathName_ER' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_file_cols', 'Image_FileName_DNA,Image_FileName_ER' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_thumbnail_cols', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_names', 'DNA,ER' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_channel_colors', 'red,green' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'channels_per_image', '1,1' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_channel_blend_modes', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_url_prepend', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'group_SQL_Well', 'SELECT ImageNumber, Image_Metadata_Plate, Image_Metadata_Well FROM Per_Image' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'filter_SQL_Plate_P1', 'SELECT ImageNumber FROM Per_Image WHERE Image_Metadata_Plate = ''P1''' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'object_name', 'cell, cells,' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'plate_type', '96' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'classifier_ignore_columns', 'table_number_key_column, image_number_key_column, object_number_key_column' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_tile_size', '50' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'image_size', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'classification_type', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'training_set', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'area_scoring_column', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'class_table', '' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'check_tables', 'no' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'force_bioformats', 'no' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'use_legacy_fetcher', 'no' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO Experiment_Properties SELECT (SELECT CAST(value AS INTEGER) FROM _cpexport_settings WHERE prefix = '' AND table_number = 0 AND name = 'experiment_id'), 'None', 'process_3D', 'False' WHERE (SELECT whole FROM cpexport_whole);
DELETE FROM _cpexport_settings WHERE (SELECT whole FROM cpexport_whole) AND prefix = '' AND table_number = 0 AND name NOT IN ('key', 'schema', 'shape', 'made', 'views', 'layout', 'changing', 'experiment_id', 'view', 'measured', 'unmeasured', 'indexes', 'places', 'planned', 'wells', 'experiment_first');
INSERT INTO _cpexport_settings SELECT '', 0, 'group features', 'Group_Number,Group_Index,Group_Length' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO _cpexport_settings SELECT '', 0, 'groups', 'Metadata_Plate,Metadata_Well,Metadata_Site' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO _cpexport_settings SELECT '', 0, 'groups of', 'the image sets that are there' WHERE (SELECT whole FROM cpexport_whole);
INSERT INTO _cpexport_settings SELECT '', 0, 'properties', 'described' WHERE (SELECT whole FROM cpexport_whole);
CREATE INDEX IF NOT EXISTS "Per_IPlateWell" ON "Per_Image" ("Image_Metadata_Plate", "Image_Metadata_Well");
PRAGMA analysis_limit = 1000;
ANALYZE "Per_Image";
COMMIT;
SELECT 'cpexport: ' || count(*) || ' of 1 batches imported, the others were already there' FROM cpexport_loaded WHERE n;

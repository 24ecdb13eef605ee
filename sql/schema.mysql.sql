-- The tables of a small run (tests/data/cases/13_groups). Made by UPDATE_GOLDEN=1 pytest -k schema.

CREATE TABLE _cpexport_batches (
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

CREATE TABLE _cpexport_columns (
	prefix VARCHAR(64) NOT NULL,
	position INTEGER NOT NULL,
	object_name LONGTEXT NOT NULL,
	feature LONGTEXT NOT NULL,
	table_name VARCHAR(64) NOT NULL,
	column_name LONGTEXT NOT NULL,
	type LONGTEXT NOT NULL,
	PRIMARY KEY (prefix, position)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_feature_sets (
	digest VARCHAR(64) NOT NULL,
	batch_id INTEGER NOT NULL,
	features LONGTEXT NOT NULL,
	PRIMARY KEY (digest, batch_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_features (
	batch_id INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	PRIMARY KEY (batch_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_measured (
	batch_id INTEGER NOT NULL,
	feature VARCHAR(255) NOT NULL,
	value DOUBLE,
	PRIMARY KEY (batch_id, feature)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_numbers (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	digest VARCHAR(64) NOT NULL,
	number INTEGER NOT NULL,
	PRIMARY KEY (prefix, table_number, digest)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_replaced (
	batch_id INTEGER NOT NULL,
	by_batch_id INTEGER NOT NULL,
	set_count INTEGER NOT NULL,
	PRIMARY KEY (batch_id, by_batch_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_runs (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	PRIMARY KEY (prefix, table_number),
	UNIQUE (prefix, name)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_sets (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	number INTEGER NOT NULL,
	batch_id INTEGER NOT NULL,
	identity LONGTEXT NOT NULL,
	PRIMARY KEY (prefix, table_number, number)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_settings (
	prefix VARCHAR(64) NOT NULL,
	table_number INTEGER NOT NULL,
	name VARCHAR(64) NOT NULL,
	value LONGTEXT NOT NULL,
	PRIMARY KEY (prefix, table_number, name)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE _cpexport_tables (
	batch_id INTEGER NOT NULL,
	table_name VARCHAR(64) NOT NULL,
	row_count BIGINT NOT NULL,
	missing_count BIGINT NOT NULL,
	infinite_count BIGINT NOT NULL,
	infinite_columns LONGTEXT NOT NULL,
	PRIMARY KEY (batch_id, table_name)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE `Experiment` (
	experiment_id INTEGER NOT NULL AUTO_INCREMENT,
	name TEXT,
	PRIMARY KEY (experiment_id)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE `Experiment_Properties` (
	experiment_id INTEGER NOT NULL,
	object_name VARCHAR(200) NOT NULL,
	field VARCHAR(200) NOT NULL,
	value LONGTEXT,
	PRIMARY KEY (experiment_id, object_name, field)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE `Per_Experiment` (
	`Pipeline_Pipeline` LONGBLOB,
	`CellProfiler_Version` TEXT,
	`Run_Timestamp` TEXT,
	`Modification_Timestamp` TEXT
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE `Per_RelationshipTypes` (
	relationship_type_id INTEGER NOT NULL,
	module_number INTEGER,
	relationship VARCHAR(255),
	object_name1 VARCHAR(255),
	object_name2 VARCHAR(255),
	PRIMARY KEY (relationship_type_id),
	CONSTRAINT `Per_RelationshipTypesUnique` UNIQUE (relationship_type_id, module_number, relationship, object_name1, object_name2)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE `Per_Relationships` (
	relationship_type_id INTEGER,
	image_number1 INTEGER,
	object_number1 INTEGER,
	image_number2 INTEGER,
	object_number2 INTEGER,
	CONSTRAINT `Per_RRTypeIdFK` FOREIGN KEY(relationship_type_id) REFERENCES `Per_RelationshipTypes` (relationship_type_id),
	CONSTRAINT `Per_RelationshipUnique` UNIQUE (relationship_type_id, image_number1, object_number1, image_number2, object_number2)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 COLLATE utf8mb4_bin;

CREATE INDEX `Per_IRelationships1` ON `Per_Relationships` (image_number1, object_number1, relationship_type_id);

CREATE INDEX `Per_IRelationships2` ON `Per_Relationships` (image_number2, object_number2, relationship_type_id);

CREATE TABLE `Per_Image` (
	`ImageNumber` INTEGER NOT NULL,
	`Image_Channel_DNA` BIGINT,
	`Image_Channel_ER` BIGINT,
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
	`Image_ExecutionTime_01Images` DOUBLE,
	`Image_ExecutionTime_02Metadata` DOUBLE,
	`Image_ExecutionTime_03NamesAndTypes` DOUBLE,
	`Image_ExecutionTime_04Groups` DOUBLE,
	`Image_ExecutionTime_05IdentifyPrimaryObjects` DOUBLE,
	`Image_ExecutionTime_06IdentifySecondaryObjects` DOUBLE,
	`Image_ExecutionTime_07IdentifyTertiaryObjects` DOUBLE,
	`Image_ExecutionTime_08MeasureObjectSizeShape` DOUBLE,
	`Image_ExecutionTime_09MeasureObjectIntensity` DOUBLE,
	`Image_ExecutionTime_10MeasureImageIntensity` DOUBLE,
	`Image_ExecutionTime_11MeasureObjectNeighbors` DOUBLE,
	`Image_ExecutionTime_12FilterObjects` DOUBLE,
	`Image_ExecutionTime_13RelateObjects` DOUBLE,
	`Image_ExecutionTime_14ClassifyObjects` DOUBLE,
	`Image_ExecutionTime_15FlagImage` DOUBLE,
	`Image_FileName_DNA` TEXT,
	`Image_FileName_ER` TEXT,
	`Image_Frame_DNA` BIGINT,
	`Image_Frame_ER` BIGINT,
	`Image_Group_Index` BIGINT,
	`Image_Group_Length` BIGINT,
	`Image_Group_Number` BIGINT,
	`Image_Height_DNA` BIGINT,
	`Image_Height_ER` BIGINT,
	`Image_ImageSet_ImageSet` TEXT,
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
	`Image_Metadata_Chan` DOUBLE,
	`Image_Metadata_FileLocation` DOUBLE,
	`Image_Metadata_Frame` TEXT,
	`Image_Metadata_Plate` VARCHAR(255),
	`Image_Metadata_QCFlag` BIGINT,
	`Image_Metadata_Series` TEXT,
	`Image_Metadata_Site` TEXT,
	`Image_Metadata_Well` VARCHAR(255),
	`Image_PathName_DNA` TEXT,
	`Image_PathName_ER` TEXT,
	`Image_Scaling_DNA` DOUBLE,
	`Image_Scaling_ER` DOUBLE,
	`Image_Series_DNA` BIGINT,
	`Image_Series_ER` BIGINT,
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

CREATE TABLE `Per_BigNuclei` (
	`ImageNumber` INTEGER NOT NULL,
	`BigNuclei_Number_Object_Number` INTEGER NOT NULL,
	`BigNuclei_Distance_Centroid_Cells` DOUBLE,
	`BigNuclei_Distance_Minimum_Cells` DOUBLE,
	`BigNuclei_Location_Center_X` DOUBLE,
	`BigNuclei_Location_Center_Y` DOUBLE,
	`BigNuclei_Location_Center_Z` DOUBLE,
	`BigNuclei_Parent_Cells` BIGINT,
	`BigNuclei_Parent_Nuclei` BIGINT,
	PRIMARY KEY (`ImageNumber`, `BigNuclei_Number_Object_Number`)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 STATS_SAMPLE_PAGES=2000 COLLATE utf8mb4_bin;

CREATE TABLE `Per_Cells` (
	`ImageNumber` INTEGER NOT NULL,
	`Cells_Number_Object_Number` INTEGER NOT NULL,
	`Cells_AreaShape_Area` DOUBLE,
	`Cells_AreaShape_BoundingBoxArea` DOUBLE,
	`Cells_AreaShape_BoundingBoxMaximum_X` DOUBLE,
	`Cells_AreaShape_BoundingBoxMaximum_Y` DOUBLE,
	`Cells_AreaShape_BoundingBoxMinimum_X` DOUBLE,
	`Cells_AreaShape_BoundingBoxMinimum_Y` DOUBLE,
	`Cells_AreaShape_Center_X` DOUBLE,
	`Cells_AreaShape_Center_Y` DOUBLE,
	`Cells_AreaShape_Compactness` DOUBLE,
	`Cells_AreaShape_ConvexArea` DOUBLE,
	`Cells_AreaShape_Eccentricity` DOUBLE,
	`Cells_AreaShape_EquivalentDiameter` DOUBLE,
	`Cells_AreaShape_EulerNumber` DOUBLE,
	`Cells_AreaShape_Extent` DOUBLE,
	`Cells_AreaShape_FormFactor` DOUBLE,
	`Cells_AreaShape_MajorAxisLength` DOUBLE,
	`Cells_AreaShape_MaxFeretDiameter` DOUBLE,
	`Cells_AreaShape_MaximumRadius` DOUBLE,
	`Cells_AreaShape_MeanRadius` DOUBLE,
	`Cells_AreaShape_MedianRadius` DOUBLE,
	`Cells_AreaShape_MinFeretDiameter` DOUBLE,
	`Cells_AreaShape_MinorAxisLength` DOUBLE,
	`Cells_AreaShape_Orientation` DOUBLE,
	`Cells_AreaShape_Perimeter` DOUBLE,
	`Cells_AreaShape_Solidity` DOUBLE,
	`Cells_Children_BigNuclei_Count` BIGINT,
	`Cells_Children_Cytoplasm_Count` BIGINT,
	`Cells_Intensity_IntegratedIntensityEdge_DNA` DOUBLE,
	`Cells_Intensity_IntegratedIntensityEdge_ER` DOUBLE,
	`Cells_Intensity_IntegratedIntensity_DNA` DOUBLE,
	`Cells_Intensity_IntegratedIntensity_ER` DOUBLE,
	`Cells_Intensity_LowerQuartileIntensity_DNA` DOUBLE,
	`Cells_Intensity_LowerQuartileIntensity_ER` DOUBLE,
	`Cells_Intensity_MADIntensity_DNA` DOUBLE,
	`Cells_Intensity_MADIntensity_ER` DOUBLE,
	`Cells_Intensity_MassDisplacement_DNA` DOUBLE,
	`Cells_Intensity_MassDisplacement_ER` DOUBLE,
	`Cells_Intensity_MaxIntensityEdge_DNA` DOUBLE,
	`Cells_Intensity_MaxIntensityEdge_ER` DOUBLE,
	`Cells_Intensity_MaxIntensity_DNA` DOUBLE,
	`Cells_Intensity_MaxIntensity_ER` DOUBLE,
	`Cells_Intensity_MeanIntensityEdge_DNA` DOUBLE,
	`Cells_Intensity_MeanIntensityEdge_ER` DOUBLE,
	`Cells_Intensity_MeanIntensity_DNA` DOUBLE,
	`Cells_Intensity_MeanIntensity_ER` DOUBLE,
	`Cells_Intensity_MedianIntensity_DNA` DOUBLE,
	`Cells_Intensity_MedianIntensity_ER` DOUBLE,
	`Cells_Intensity_MinIntensityEdge_DNA` DOUBLE,
	`Cells_Intensity_MinIntensityEdge_ER` DOUBLE,
	`Cells_Intensity_MinIntensity_DNA` DOUBLE,
	`Cells_Intensity_MinIntensity_ER` DOUBLE,
	`Cells_Intensity_StdIntensityEdge_DNA` DOUBLE,
	`Cells_Intensity_StdIntensityEdge_ER` DOUBLE,
	`Cells_Intensity_StdIntensity_DNA` DOUBLE,
	`Cells_Intensity_StdIntensity_ER` DOUBLE,
	`Cells_Intensity_UpperQuartileIntensity_DNA` DOUBLE,
	`Cells_Intensity_UpperQuartileIntensity_ER` DOUBLE,
	`Cells_Location_CenterMassIntensity_X_DNA` DOUBLE,
	`Cells_Location_CenterMassIntensity_X_ER` DOUBLE,
	`Cells_Location_CenterMassIntensity_Y_DNA` DOUBLE,
	`Cells_Location_CenterMassIntensity_Y_ER` DOUBLE,
	`Cells_Location_CenterMassIntensity_Z_DNA` DOUBLE,
	`Cells_Location_CenterMassIntensity_Z_ER` DOUBLE,
	`Cells_Location_Center_X` DOUBLE,
	`Cells_Location_Center_Y` DOUBLE,
	`Cells_Location_Center_Z` DOUBLE,
	`Cells_Location_MaxIntensity_X_DNA` DOUBLE,
	`Cells_Location_MaxIntensity_X_ER` DOUBLE,
	`Cells_Location_MaxIntensity_Y_DNA` DOUBLE,
	`Cells_Location_MaxIntensity_Y_ER` DOUBLE,
	`Cells_Location_MaxIntensity_Z_DNA` DOUBLE,
	`Cells_Location_MaxIntensity_Z_ER` DOUBLE,
	`Cells_Mean_BigNuclei_Distance_Centroid_Cells` DOUBLE,
	`Cells_Mean_BigNuclei_Distance_Minimum_Cells` DOUBLE,
	`Cells_Mean_BigNuclei_Location_Center_X` DOUBLE,
	`Cells_Mean_BigNuclei_Location_Center_Y` DOUBLE,
	`Cells_Mean_BigNuclei_Location_Center_Z` DOUBLE,
	`Cells_Mean_BigNuclei_Number_Object_Number` DOUBLE,
	`Cells_Parent_Nuclei` BIGINT,
	PRIMARY KEY (`ImageNumber`, `Cells_Number_Object_Number`)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 STATS_SAMPLE_PAGES=2000 COLLATE utf8mb4_bin;

CREATE TABLE `Per_Cytoplasm` (
	`ImageNumber` INTEGER NOT NULL,
	`Cytoplasm_Number_Object_Number` INTEGER NOT NULL,
	`Cytoplasm_AreaShape_Area` DOUBLE,
	`Cytoplasm_AreaShape_BoundingBoxArea` DOUBLE,
	`Cytoplasm_AreaShape_BoundingBoxMaximum_X` DOUBLE,
	`Cytoplasm_AreaShape_BoundingBoxMaximum_Y` DOUBLE,
	`Cytoplasm_AreaShape_BoundingBoxMinimum_X` DOUBLE,
	`Cytoplasm_AreaShape_BoundingBoxMinimum_Y` DOUBLE,
	`Cytoplasm_AreaShape_Center_X` DOUBLE,
	`Cytoplasm_AreaShape_Center_Y` DOUBLE,
	`Cytoplasm_AreaShape_Compactness` DOUBLE,
	`Cytoplasm_AreaShape_ConvexArea` DOUBLE,
	`Cytoplasm_AreaShape_Eccentricity` DOUBLE,
	`Cytoplasm_AreaShape_EquivalentDiameter` DOUBLE,
	`Cytoplasm_AreaShape_EulerNumber` DOUBLE,
	`Cytoplasm_AreaShape_Extent` DOUBLE,
	`Cytoplasm_AreaShape_FormFactor` DOUBLE,
	`Cytoplasm_AreaShape_MajorAxisLength` DOUBLE,
	`Cytoplasm_AreaShape_MaxFeretDiameter` DOUBLE,
	`Cytoplasm_AreaShape_MaximumRadius` DOUBLE,
	`Cytoplasm_AreaShape_MeanRadius` DOUBLE,
	`Cytoplasm_AreaShape_MedianRadius` DOUBLE,
	`Cytoplasm_AreaShape_MinFeretDiameter` DOUBLE,
	`Cytoplasm_AreaShape_MinorAxisLength` DOUBLE,
	`Cytoplasm_AreaShape_Orientation` DOUBLE,
	`Cytoplasm_AreaShape_Perimeter` DOUBLE,
	`Cytoplasm_AreaShape_Solidity` DOUBLE,
	`Cytoplasm_Intensity_IntegratedIntensityEdge_DNA` DOUBLE,
	`Cytoplasm_Intensity_IntegratedIntensityEdge_ER` DOUBLE,
	`Cytoplasm_Intensity_IntegratedIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_IntegratedIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_LowerQuartileIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_LowerQuartileIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_MADIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_MADIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_MassDisplacement_DNA` DOUBLE,
	`Cytoplasm_Intensity_MassDisplacement_ER` DOUBLE,
	`Cytoplasm_Intensity_MaxIntensityEdge_DNA` DOUBLE,
	`Cytoplasm_Intensity_MaxIntensityEdge_ER` DOUBLE,
	`Cytoplasm_Intensity_MaxIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_MaxIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_MeanIntensityEdge_DNA` DOUBLE,
	`Cytoplasm_Intensity_MeanIntensityEdge_ER` DOUBLE,
	`Cytoplasm_Intensity_MeanIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_MeanIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_MedianIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_MedianIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_MinIntensityEdge_DNA` DOUBLE,
	`Cytoplasm_Intensity_MinIntensityEdge_ER` DOUBLE,
	`Cytoplasm_Intensity_MinIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_MinIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_StdIntensityEdge_DNA` DOUBLE,
	`Cytoplasm_Intensity_StdIntensityEdge_ER` DOUBLE,
	`Cytoplasm_Intensity_StdIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_StdIntensity_ER` DOUBLE,
	`Cytoplasm_Intensity_UpperQuartileIntensity_DNA` DOUBLE,
	`Cytoplasm_Intensity_UpperQuartileIntensity_ER` DOUBLE,
	`Cytoplasm_Location_CenterMassIntensity_X_DNA` DOUBLE,
	`Cytoplasm_Location_CenterMassIntensity_X_ER` DOUBLE,
	`Cytoplasm_Location_CenterMassIntensity_Y_DNA` DOUBLE,
	`Cytoplasm_Location_CenterMassIntensity_Y_ER` DOUBLE,
	`Cytoplasm_Location_CenterMassIntensity_Z_DNA` DOUBLE,
	`Cytoplasm_Location_CenterMassIntensity_Z_ER` DOUBLE,
	`Cytoplasm_Location_Center_X` DOUBLE,
	`Cytoplasm_Location_Center_Y` DOUBLE,
	`Cytoplasm_Location_MaxIntensity_X_DNA` DOUBLE,
	`Cytoplasm_Location_MaxIntensity_X_ER` DOUBLE,
	`Cytoplasm_Location_MaxIntensity_Y_DNA` DOUBLE,
	`Cytoplasm_Location_MaxIntensity_Y_ER` DOUBLE,
	`Cytoplasm_Location_MaxIntensity_Z_DNA` DOUBLE,
	`Cytoplasm_Location_MaxIntensity_Z_ER` DOUBLE,
	`Cytoplasm_Parent_Cells` BIGINT,
	`Cytoplasm_Parent_Nuclei` BIGINT,
	PRIMARY KEY (`ImageNumber`, `Cytoplasm_Number_Object_Number`)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 STATS_SAMPLE_PAGES=2000 COLLATE utf8mb4_bin;

CREATE TABLE `Per_Nuclei` (
	`ImageNumber` INTEGER NOT NULL,
	`Nuclei_Number_Object_Number` INTEGER NOT NULL,
	`Nuclei_AreaShape_Area` DOUBLE,
	`Nuclei_AreaShape_BoundingBoxArea` DOUBLE,
	`Nuclei_AreaShape_BoundingBoxMaximum_X` DOUBLE,
	`Nuclei_AreaShape_BoundingBoxMaximum_Y` DOUBLE,
	`Nuclei_AreaShape_BoundingBoxMinimum_X` DOUBLE,
	`Nuclei_AreaShape_BoundingBoxMinimum_Y` DOUBLE,
	`Nuclei_AreaShape_Center_X` DOUBLE,
	`Nuclei_AreaShape_Center_Y` DOUBLE,
	`Nuclei_AreaShape_Compactness` DOUBLE,
	`Nuclei_AreaShape_ConvexArea` DOUBLE,
	`Nuclei_AreaShape_Eccentricity` DOUBLE,
	`Nuclei_AreaShape_EquivalentDiameter` DOUBLE,
	`Nuclei_AreaShape_EulerNumber` DOUBLE,
	`Nuclei_AreaShape_Extent` DOUBLE,
	`Nuclei_AreaShape_FormFactor` DOUBLE,
	`Nuclei_AreaShape_MajorAxisLength` DOUBLE,
	`Nuclei_AreaShape_MaxFeretDiameter` DOUBLE,
	`Nuclei_AreaShape_MaximumRadius` DOUBLE,
	`Nuclei_AreaShape_MeanRadius` DOUBLE,
	`Nuclei_AreaShape_MedianRadius` DOUBLE,
	`Nuclei_AreaShape_MinFeretDiameter` DOUBLE,
	`Nuclei_AreaShape_MinorAxisLength` DOUBLE,
	`Nuclei_AreaShape_Orientation` DOUBLE,
	`Nuclei_AreaShape_Perimeter` DOUBLE,
	`Nuclei_AreaShape_Solidity` DOUBLE,
	`Nuclei_Children_BigNuclei_Count` BIGINT,
	`Nuclei_Children_Cells_Count` BIGINT,
	`Nuclei_Children_Cytoplasm_Count` BIGINT,
	`Nuclei_Children_SmallNuclei_Count` BIGINT,
	`Nuclei_Classify_Intensity_MeanIntensity_DNA_Bin_1` BIGINT,
	`Nuclei_Classify_Intensity_MeanIntensity_DNA_Bin_2` BIGINT,
	`Nuclei_Classify_Intensity_MeanIntensity_DNA_Bin_3` BIGINT,
	`Nuclei_Classify_Intensity_MeanIntensity_DNA_Bin_4` BIGINT,
	`Nuclei_Intensity_IntegratedIntensityEdge_DNA` DOUBLE,
	`Nuclei_Intensity_IntegratedIntensityEdge_ER` DOUBLE,
	`Nuclei_Intensity_IntegratedIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_IntegratedIntensity_ER` DOUBLE,
	`Nuclei_Intensity_LowerQuartileIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_LowerQuartileIntensity_ER` DOUBLE,
	`Nuclei_Intensity_MADIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_MADIntensity_ER` DOUBLE,
	`Nuclei_Intensity_MassDisplacement_DNA` DOUBLE,
	`Nuclei_Intensity_MassDisplacement_ER` DOUBLE,
	`Nuclei_Intensity_MaxIntensityEdge_DNA` DOUBLE,
	`Nuclei_Intensity_MaxIntensityEdge_ER` DOUBLE,
	`Nuclei_Intensity_MaxIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_MaxIntensity_ER` DOUBLE,
	`Nuclei_Intensity_MeanIntensityEdge_DNA` DOUBLE,
	`Nuclei_Intensity_MeanIntensityEdge_ER` DOUBLE,
	`Nuclei_Intensity_MeanIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_MeanIntensity_ER` DOUBLE,
	`Nuclei_Intensity_MedianIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_MedianIntensity_ER` DOUBLE,
	`Nuclei_Intensity_MinIntensityEdge_DNA` DOUBLE,
	`Nuclei_Intensity_MinIntensityEdge_ER` DOUBLE,
	`Nuclei_Intensity_MinIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_MinIntensity_ER` DOUBLE,
	`Nuclei_Intensity_StdIntensityEdge_DNA` DOUBLE,
	`Nuclei_Intensity_StdIntensityEdge_ER` DOUBLE,
	`Nuclei_Intensity_StdIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_StdIntensity_ER` DOUBLE,
	`Nuclei_Intensity_UpperQuartileIntensity_DNA` DOUBLE,
	`Nuclei_Intensity_UpperQuartileIntensity_ER` DOUBLE,
	`Nuclei_Location_CenterMassIntensity_X_DNA` DOUBLE,
	`Nuclei_Location_CenterMassIntensity_X_ER` DOUBLE,
	`Nuclei_Location_CenterMassIntensity_Y_DNA` DOUBLE,
	`Nuclei_Location_CenterMassIntensity_Y_ER` DOUBLE,
	`Nuclei_Location_CenterMassIntensity_Z_DNA` DOUBLE,
	`Nuclei_Location_CenterMassIntensity_Z_ER` DOUBLE,
	`Nuclei_Location_Center_X` DOUBLE,
	`Nuclei_Location_Center_Y` DOUBLE,
	`Nuclei_Location_Center_Z` DOUBLE,
	`Nuclei_Location_MaxIntensity_X_DNA` DOUBLE,
	`Nuclei_Location_MaxIntensity_X_ER` DOUBLE,
	`Nuclei_Location_MaxIntensity_Y_DNA` DOUBLE,
	`Nuclei_Location_MaxIntensity_Y_ER` DOUBLE,
	`Nuclei_Location_MaxIntensity_Z_DNA` DOUBLE,
	`Nuclei_Location_MaxIntensity_Z_ER` DOUBLE,
	`Nuclei_Neighbors_AngleBetweenNeighbors_Expanded` DOUBLE,
	`Nuclei_Neighbors_FirstClosestDistance_Expanded` DOUBLE,
	`Nuclei_Neighbors_FirstClosestObjectNumber_Expanded` BIGINT,
	`Nuclei_Neighbors_NumberOfNeighbors_Expanded` BIGINT,
	`Nuclei_Neighbors_PercentTouching_Expanded` DOUBLE,
	`Nuclei_Neighbors_SecondClosestDistance_Expanded` DOUBLE,
	`Nuclei_Neighbors_SecondClosestObjectNumber_Expanded` BIGINT,
	PRIMARY KEY (`ImageNumber`, `Nuclei_Number_Object_Number`)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 STATS_SAMPLE_PAGES=2000 COLLATE utf8mb4_bin;

CREATE TABLE `Per_SmallNuclei` (
	`ImageNumber` INTEGER NOT NULL,
	`SmallNuclei_Number_Object_Number` INTEGER NOT NULL,
	`SmallNuclei_Location_Center_X` DOUBLE,
	`SmallNuclei_Location_Center_Y` DOUBLE,
	`SmallNuclei_Location_Center_Z` DOUBLE,
	`SmallNuclei_Parent_Nuclei` BIGINT,
	PRIMARY KEY (`ImageNumber`, `SmallNuclei_Number_Object_Number`)
)ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARSET=utf8mb4 STATS_SAMPLE_PAGES=2000 COLLATE utf8mb4_bin;

CREATE INDEX `Per_IBigNuclei_Parent_Cells` ON `Per_BigNuclei` (`ImageNumber`, `BigNuclei_Parent_Cells`, `BigNuclei_Number_Object_Number`);

CREATE INDEX `Per_IBigNuclei_Parent_Nuclei` ON `Per_BigNuclei` (`ImageNumber`, `BigNuclei_Parent_Nuclei`, `BigNuclei_Number_Object_Number`);

CREATE INDEX `Per_ICells_Parent_Nuclei` ON `Per_Cells` (`ImageNumber`, `Cells_Parent_Nuclei`, `Cells_Number_Object_Number`);

CREATE INDEX `Per_ICytoplasm_Parent_Cells` ON `Per_Cytoplasm` (`ImageNumber`, `Cytoplasm_Parent_Cells`, `Cytoplasm_Number_Object_Number`);

CREATE INDEX `Per_ICytoplasm_Parent_Nuclei` ON `Per_Cytoplasm` (`ImageNumber`, `Cytoplasm_Parent_Nuclei`, `Cytoplasm_Number_Object_Number`);

CREATE INDEX `Per_ISmallNuclei_Parent_Nuclei` ON `Per_SmallNuclei` (`ImageNumber`, `SmallNuclei_Parent_Nuclei`, `SmallNuclei_Number_Object_Number`);

CREATE INDEX `Per_IPlateWell` ON `Per_Image` (`Image_Metadata_Plate`, `Image_Metadata_Well`);

CREATE VIEW _cpexport_current AS SELECT b.batch_id, b.prefix, b.table_number, b.path, b.state, b.loaded_utc,
  coalesce(s.owned, 0) AS owned, coalesce(r.replaced_by, 0) AS replaced_by
FROM _cpexport_batches b
LEFT JOIN (SELECT batch_id, count(*) AS owned FROM _cpexport_sets GROUP BY batch_id) s
  ON s.batch_id = b.batch_id
LEFT JOIN (SELECT batch_id, count(*) AS replaced_by FROM _cpexport_replaced GROUP BY batch_id) r
  ON r.batch_id = b.batch_id;

CREATE VIEW `Per_RelationshipsView` AS SELECT T.module_number, T.relationship, T.object_name1, T.object_name2, R.image_number1, R.object_number1, R.image_number2, R.object_number2 FROM `Per_RelationshipTypes` T JOIN `Per_Relationships` R ON T.relationship_type_id = R.relationship_type_id;

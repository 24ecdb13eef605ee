-- Queries to start from, for a destination without a prefix or runs (with these, TableNumber belongs to every join). Each is run by the tests.

-- Objects in each well.
SELECT Image_Metadata_Plate, Image_Metadata_Well, count(DISTINCT ImageNumber) AS image_sets, count(*) AS cells
FROM Per_Image JOIN Per_Cells USING (ImageNumber)
GROUP BY Image_Metadata_Plate, Image_Metadata_Well
ORDER BY Image_Metadata_Plate, Image_Metadata_Well;

-- Cells with the nuclei they grew from: by parent, not by number.
SELECT c.ImageNumber, c.Cells_Number_Object_Number, n.Nuclei_Number_Object_Number, n.Nuclei_AreaShape_Area
FROM Per_Cells c
JOIN Per_Nuclei n ON n.ImageNumber = c.ImageNumber AND n.Nuclei_Number_Object_Number = c.Cells_Parent_Nuclei
ORDER BY 1, 2;

-- Neighbours, by the view that spells out the type of each relationship.
SELECT image_number1, object_number1, object_number2
FROM Per_RelationshipsView
WHERE relationship = 'Neighbors'
ORDER BY 1, 2, 3;

-- Where the column of a feature is.
SELECT table_name, column_name, type
FROM _cpexport_columns
WHERE object_name = 'Nuclei' AND feature = 'AreaShape_Area';

-- Batches that brought less than they were to.
SELECT path, image_sets, complete, state, reason
FROM _cpexport_batches
WHERE image_sets <> complete
ORDER BY path;

-- Which batch an image set came from, and when it was loaded.
SELECT number, path, cellprofiler, loaded_utc
FROM _cpexport_sets JOIN _cpexport_batches USING (batch_id)
ORDER BY number;

-- Missing and infinite values, by table.
SELECT table_name, sum(row_count) AS row_count, sum(missing_count) AS missing, sum(infinite_count) AS infinite
FROM _cpexport_tables
GROUP BY table_name
ORDER BY table_name;

-- Queries to start from, in SQLite (queries.mysql.sql: in MariaDB and MySQL). They are for a destination without a prefix or
-- runs (with runs, TableNumber belongs to every join). Each is run by the tests.

-- Image sets and cells in each well. Image sets and wells without a cell count, so the cells come from Per_Image.
SELECT Image_Metadata_Plate, Image_Metadata_Well, count(*) AS image_sets, sum(Image_Count_Cells) AS cells,
  avg(Image_Count_Cells) AS cells_per_image_set
FROM Per_Image
GROUP BY Image_Metadata_Plate, Image_Metadata_Well
ORDER BY Image_Metadata_Plate, Image_Metadata_Well;

-- A mean over the cells of each well: wells without a cell stay, and have NULL.
SELECT i.Image_Metadata_Plate, i.Image_Metadata_Well, count(c.ImageNumber) AS cells, avg(c.Cells_AreaShape_Area) AS mean_area
FROM Per_Image i LEFT JOIN Per_Cells c ON c.ImageNumber = i.ImageNumber
GROUP BY i.Image_Metadata_Plate, i.Image_Metadata_Well
ORDER BY i.Image_Metadata_Plate, i.Image_Metadata_Well;

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

-- Batches that are current: how many image sets each of them still owns.
SELECT path, owned
FROM _cpexport_current
WHERE owned > 0
ORDER BY path;

-- Batches that were replaced, wholly or in part, and by which.
SELECT old.path, new.path AS replaced_by, r.set_count
FROM _cpexport_replaced r
JOIN _cpexport_batches old ON old.batch_id = r.batch_id
JOIN _cpexport_batches new ON new.batch_id = r.by_batch_id
ORDER BY old.path, new.path;

-- Missing and infinite values in what current batches brought, by table.
SELECT t.table_name, sum(t.row_count) AS row_count, sum(t.missing_count) AS missing, sum(t.infinite_count) AS infinite
FROM _cpexport_tables t JOIN _cpexport_current b ON b.batch_id = t.batch_id
WHERE b.owned > 0
GROUP BY t.table_name
ORDER BY t.table_name;

-- What each job measured of all image sets that it ran.
SELECT path, feature, value
FROM _cpexport_measured JOIN _cpexport_batches USING (batch_id)
ORDER BY path, feature;

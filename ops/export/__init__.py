"""Events as parquet files, for those who count: each record once, whatever happens meanwhile."""

# Fuzz targets, a line each: tests/fuzz/fuzz_NAME has its source in tests/fuzz/fuzz_NAME.c and its seeds in tests/fuzz/seeds/NAME/.
fuzz_programs =
fuzz_programs += tests/fuzz/fuzz_json

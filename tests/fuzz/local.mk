# Fuzz targets, a line each: tests/fuzz/fuzz_NAME has its source in tests/fuzz/fuzz_NAME.c and its seeds in tests/fuzz/seeds/NAME/.
fuzz_programs =
fuzz_programs += tests/fuzz/fuzz_account
fuzz_programs += tests/fuzz/fuzz_json
fuzz_programs += tests/fuzz/fuzz_codec
EXTRA_DIST += tests/fuzz/seeds/account/full tests/fuzz/seeds/account/newer tests/fuzz/seeds/account/no-keys
EXTRA_DIST += tests/fuzz/seeds/codec/null-text tests/fuzz/seeds/codec/record tests/fuzz/seeds/codec/steps tests/fuzz/seeds/codec/too-long
fuzz_programs += tests/fuzz/fuzz_config

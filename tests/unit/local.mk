# Unit tests, a line each. The source is the program's name with .c; the libraries follow from the directory (see tests/checks.mk).
test_programs =

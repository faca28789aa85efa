# Samples, units and manual pages.

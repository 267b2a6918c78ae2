package sbom

// SyftVersion is the version of the cataloguers, which decides what is found as much as Hallmark's own does.
func SyftVersion() string { return syftVersion }

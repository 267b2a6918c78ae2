// Package inventory reads what an SBOM says, whatever format it is in: its components,
// who made it and when. It compares two SBOMs, and looks for the elements that standards
// want an SBOM to have. It knows nothing of how SBOMs are made.
package inventory

package trust

// Root is everything a verifier believes. The zero value believes nobody.
type Root struct {
	// Keys are alternatives: a signature by any of them counts.
	Keys []Key
}

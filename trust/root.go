package trust

// Root is everything a verifier believes. The zero value believes nobody.
type Root struct {
	// Keys are alternatives: a signature by any of them counts.
	Keys []Key
	// Instances are alternatives as well: a certificate counts if one of them vouches
	// for everything that it asks for. What several vouch for in part adds up to
	// nothing.
	Instances []Instance
	// KeysInLog asks of signatures by a key, too, what the instances ask for:
	// inclusion in a log, or a timestamp, whichever they have.
	KeysInLog bool
}

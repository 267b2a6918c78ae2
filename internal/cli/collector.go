package cli

import (
	"runtime"
	"runtime/debug"
)

const (
	// sbomBallast is memory that is taken and never touched, so that it costs none: it keeps the
	// collector from looking for garbage all the time while the heap is small. Most of what an SBOM's
	// making leaves is garbage that the licence scanner's table makes.
	sbomBallast = 160 << 20
	// sbomGC is by how many percent the heap, with the ballast, grows in between.
	sbomGC = 25
)

// collectLate collects garbage less often while little memory is in use, and more often when
// much is, than the runtime does by itself.
func collectLate() (end func()) {
	ballast := make([]byte, sbomBallast)
	before := debug.SetGCPercent(sbomGC)
	return func() {
		debug.SetGCPercent(before)
		runtime.KeepAlive(ballast)
	}
}

package services

import (
	"os"
	"strconv"
	"time"

	"github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix/app"
)

// Pace of the log: entries wait for a batch, and are answered once a checkpoint covers
// them.
const (
	batchAge           = 100 * time.Millisecond
	checkpointInterval = 100 * time.Millisecond
)

// RekorConfig says where Rekor listens and what it uses. All of its ports are on Host.
type RekorConfig struct {
	Host                         string
	Port, GRPCPort, MetricsPort  int
	Origin                       string // of its checkpoints
	StorageDir, KeyFile, Logging string
}

// RunRekor runs the command of Rekor v2 on POSIX storage until a signal ends the
// process. It does not return when that fails: the command ends the process then.
func RunRekor(c RekorConfig) {
	os.Args = []string{"rekor-server", "serve",
		"--http-address", c.Host, "--http-port", strconv.Itoa(c.Port),
		"--grpc-address", c.Host, "--grpc-port", strconv.Itoa(c.GRPCPort),
		"--http-metrics-port", strconv.Itoa(c.MetricsPort),
		"--hostname", c.Origin,
		"--storage-dir", c.StorageDir,
		"--signer-filepath", c.KeyFile,
		"--batch-max-age", batchAge.String(),
		"--checkpoint-interval", checkpointInterval.String(),
		"--persistent-antispam=true",
		"--log-level", c.Logging,
	}
	app.Execute()
}

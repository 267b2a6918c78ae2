package services

import (
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/log"
	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

// TSAConfig says where the timestamp authority listens and what it uses.
type TSAConfig struct {
	Host      string
	Port      int
	ChainFile string // leaf first
	KeyFile   string
}

// RunTSA serves the timestamp authority (RFC 3161 over HTTP) until a signal ends the
// process.
//
// Its command would listen for metrics on every interface, on a fixed port, so the
// server is used without it. The server takes its settings from viper, by the names of
// the command's flags.
func RunTSA(c TSAConfig) error {
	for name, value := range map[string]any{
		"timestamp-signer":          "file",
		"timestamp-signer-hash":     "sha256",
		"file-signer-key-path":      c.KeyFile,
		"certificate-chain-path":    c.ChainFile,
		"enforce-intermediate-eku":  true,
		"include-chain-in-response": false,
		"use-http-201":              false,
		"default-policy-oid":        "1.3.6.1.4.1.57264.2",
		"accepted-policy-oids":      []string{"1.3.6.1.4.1.57264.2"},
		"allow-custom-extensions":   false,
		"max-request-body-size":     1 << 20,
	} {
		viper.Set(name, value)
	}
	log.ConfigureLogger("prod") // without colours
	const timeout = 30 * time.Second
	s := server.NewRestAPIServer(c.Host, c.Port, []string{"http"}, false, timeout, timeout)
	s.CleanupTimeout, s.GracefulTimeout = stopTimeout, stopTimeout
	return s.Serve()
}

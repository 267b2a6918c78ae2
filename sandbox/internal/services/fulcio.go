// Package services runs the servers of the Sigstore projects in this process, one per
// process: Fulcio, Rekor v2 and the timestamp authority. What is theirs is linked in
// unchanged; what is here is how they are started, kept to loopback.
package services

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	ctclient "github.com/google/certificate-transparency-go/client"
	"github.com/google/certificate-transparency-go/jsonclient"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/sigstore/fulcio/pkg/ca/fileca"
	"github.com/sigstore/fulcio/pkg/config"
	"github.com/sigstore/fulcio/pkg/generated/protobuf"
	"github.com/sigstore/fulcio/pkg/generated/protobuf/legacy"
	"github.com/sigstore/fulcio/pkg/log"
	"github.com/sigstore/fulcio/pkg/server"
	v1 "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const (
	maxRequest  = 4 << 20
	stopTimeout = 5 * time.Second
)

// clientAlgorithms are the keys that Fulcio certifies, those of its own default.
var clientAlgorithms = []v1.PublicKeyDetails{
	v1.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256,
	v1.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384,
	v1.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512,
	v1.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256,
	v1.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256,
	v1.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256,
	v1.PublicKeyDetails_PKIX_ED25519,
}

// FulcioConfig says where Fulcio listens and what it uses.
type FulcioConfig struct {
	Address     string // such as "127.0.0.1:4000"
	IssuersFile string // Fulcio's own configuration of issuers
	ChainFile   string
	KeyFile     string
	CTLogURL    string
	CTLogKey    string // PEM file of the log's public key: timestamps of others are refused
}

// RunFulcio serves Fulcio's HTTP API until ctx ends.
//
// Fulcio's CA, issuers, CT client and API server are used as they are. Its command is
// not: that also listens for gRPC, for metrics on every interface, and on one abstract
// socket per machine, which two sandboxes would fight for. Here its gateway calls the
// API server in process.
func RunFulcio(ctx context.Context, c FulcioConfig) error {
	log.ConfigureLogger("prod") // without colours
	handler, err := fulcioHandler(ctx, c)
	if err != nil {
		return err
	}
	return serve(ctx, c.Address, handler)
}

func fulcioHandler(ctx context.Context, c FulcioConfig) (http.Handler, error) {
	issuers, err := os.ReadFile(c.IssuersFile)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Read(issuers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.IssuersFile, err)
	}
	authority, err := fileca.NewFileCA(c.ChainFile, c.KeyFile, "", false)
	if err != nil {
		return nil, err
	}
	logKey, err := os.ReadFile(c.CTLogKey)
	if err != nil {
		return nil, err
	}
	ctLog, err := ctclient.New(c.CTLogURL, &http.Client{Timeout: 30 * time.Second}, jsonclient.Options{PublicKey: string(logKey), Logger: ctLogger{}})
	if err != nil {
		return nil, err
	}
	algorithms, err := signature.NewAlgorithmRegistryConfig(clientAlgorithms)
	if err != nil {
		return nil, err
	}
	api := server.NewGRPCCAServer(ctLog, authority, algorithms, server.NewIssuerPool(cfg))
	mux := runtime.NewServeMux(runtime.WithMetadata(tokenOf), runtime.WithForwardResponseOption(forward))
	if err := protobuf.RegisterCAHandlerServer(ctx, mux, api); err != nil {
		return nil, err
	}
	if err := legacy.RegisterCAHandlerServer(ctx, mux, server.NewLegacyGRPCCAServer(api)); err != nil {
		return nil, err
	}
	withConfig := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(config.With(r.Context(), cfg)))
	})
	return server.WithMaxBytes(withConfig, maxRequest), nil
}

// tokenOf hands the ID token of the Authorization header on, for the first version of
// the API.
func tokenOf(_ context.Context, r *http.Request) metadata.MD {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return metadata.Pairs(server.MetadataOIDCTokenKey, token)
}

// forward turns what the API server says in gRPC headers into HTTP: the status, and in
// the first version the detached SCT.
func forward(ctx context.Context, w http.ResponseWriter, _ proto.Message) error {
	md, ok := runtime.ServerMetadataFromContext(ctx)
	if !ok {
		return nil
	}
	if sct := md.HeaderMD.Get(server.SCTMetadataKey); len(sct) > 0 {
		w.Header().Set("SCT", sct[0])
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Grpc-") {
			w.Header().Del(name)
		}
	}
	if code := md.HeaderMD.Get(server.HTTPResponseCodeMetadataKey); len(code) > 0 {
		status, err := strconv.Atoi(code[0])
		if err != nil {
			return err
		}
		w.WriteHeader(status)
	}
	return nil
}

// ctLogger writes what the CT client says to Fulcio's log.
type ctLogger struct{}

func (ctLogger) Printf(format string, args ...any) { log.Logger.Infof(format, args...) }

// serve answers on address until ctx ends, and then lets requests under way finish.
func serve(ctx context.Context, address string, handler http.Handler) error {
	s := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- s.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := s.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

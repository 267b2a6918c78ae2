package oidc_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oidc"
)

const spiffeID = "spiffe://example.org/build"

// agent is a SPIFFE workload API that knows one workload.
type agent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	token func(audience string) string // empty: the workload is not known
	hang  bool
}

func (a *agent) FetchJWTSVID(ctx context.Context, r *workload.JWTSVIDRequest) (*workload.JWTSVIDResponse, error) {
	if header, _ := metadata.FromIncomingContext(ctx); header.Get("workload.spiffe.io")[0] != "true" {
		return nil, status.Error(codes.InvalidArgument, "the security header is missing")
	}
	if a.hang {
		<-ctx.Done()
	}
	token := a.token(r.Audience[0])
	if token == "" {
		return nil, status.Error(codes.PermissionDenied, "no identity issued")
	}
	return &workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: spiffeID, Svid: token}}}, nil
}

func (a *agent) serve(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "agent.sock")
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(server, a)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return socket
}

func TestSPIFFE(t *testing.T) {
	b := newBench(t)
	issue := func(audience string) string {
		return b.Token(sigstore.Claims{"sub": spiffeID, "aud": []string{audience, "more"}})
	}
	socket := (&agent{token: issue}).serve(t)
	for _, at := range []string{"unix://" + socket, socket} {
		b.e["SPIFFE_ENDPOINT_SOCKET"] = at
		if token, err := b.token(t); err != nil || token.Subject != spiffeID {
			t.Errorf("%s: %v, %v", at, token, err)
		}
	}
}

func TestSPIFFEFails(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		claims sigstore.Claims
		fault  string
		token  bool // the token is at fault
	}{
		"not known":      {nil, "no identity issued", false},
		"other audience": {sigstore.Claims{"sub": spiffeID, "aud": "other"}, "audience", false},
		"no issuer":      {sigstore.Claims{"sub": spiffeID, "iss": nil}, "jwt_issuer", true},
	} {
		t.Run(name, func(t *testing.T) {
			b.e["SPIFFE_ENDPOINT_SOCKET"] = (&agent{token: func(string) string {
				if c.claims == nil {
					return ""
				}
				return b.Token(c.claims)
			}}).serve(t)
			_, err := b.token(t)
			says(t, err, c.fault)
			if errors.Is(err, oidc.ErrToken) != c.token {
				t.Error(err)
			}
		})
	}
	for _, at := range []string{"unix:///none/agent.sock", "https://example.org", "tcp://host.invalid:1"} {
		b.e["SPIFFE_ENDPOINT_SOCKET"] = at
		_, err := b.token(t)
		providerError(t, err)
	}
	b.e["SPIFFE_ENDPOINT_SOCKET"] = (&agent{hang: true, token: func(string) string { return "" }}).serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.find(t).Token(ctx, oidc.Request{Audience: oidc.Audience}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hangs: %v", err)
	}
}

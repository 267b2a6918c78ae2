package oidc

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Variables that say where a workload finds its identity. The first is of
// https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md,
// section 4; the second names a file that something else keeps fresh.
const (
	envSPIFFESocket = "SPIFFE_ENDPOINT_SOCKET"
	envSPIFFEFile   = "SPIFFE_JWT_SVID_FILE"
)

// findSPIFFE asks for a variable. Sockets at places where an agent often listens are not
// tried: in a folder such as /tmp anybody could have put one.
func findSPIFFE(o Options) (Source, string) {
	if file := o.env(envSPIFFEFile); file != "" {
		return fixed{"the file " + file, o.Now, func() (string, error) { return readToken(file) }}, ""
	}
	at := o.env(envSPIFFESocket)
	if at == "" {
		return nil, envSPIFFESocket + ", such as unix:///run/spire/agent.sock, or " + envSPIFFEFile
	}
	if !strings.Contains(at, ":") { // a bare path, which other tools take too
		at = "unix://" + at
	}
	return workload{o, at}, ""
}

// workload asks the SPIFFE workload API for a JWT-SVID.
type workload struct {
	o  Options
	at string
}

func (w workload) Name() string { return "SPIFFE" }

// Token gives the workload's first identity.
func (w workload) Token(ctx context.Context, r Request) (Token, error) {
	within, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	svid, err := w.fetch(within, r.Audience)
	if err := ended(ctx, err); err != nil {
		return Token{}, err
	}
	if err != nil {
		return Token{}, &ProviderError{Provider: w.Name(), URL: w.at, Cause: err}
	}
	if _, ok := svid.Claims["iss"]; !ok {
		return Token{}, fmt.Errorf("%w: the identity of %s names no issuer: a SPIRE server does if its jwt_issuer is set", ErrToken, clean(svid.ID.String()))
	}
	return parseFor(svid.Marshal(), r.Audience, w.o.Now())
}

// ended is why the caller's time is over, nil if it is not. The agent knows the deadline
// and may say that it has passed a moment before the clock here does.
func ended(ctx context.Context, err error) error {
	deadline, ok := ctx.Deadline()
	if ctx.Err() == nil && ok && time.Until(deadline) < time.Second && status.Code(err) == codes.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func (w workload) fetch(ctx context.Context, audience string) (*jwtsvid.SVID, error) {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(w.at))
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	return client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
}

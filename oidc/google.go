package oidc

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// The metadata server of Google Cloud
// (https://cloud.google.com/compute/docs/instances/verifying-instance-identity).
const (
	envMetadata  = "GCE_METADATA_HOST"
	metadataHost = "metadata.google.internal"
	metadataPath = "/computeMetadata/v1/instance/service-accounts/default/identity"
	// productFile names the machine's maker where the firmware tells.
	productFile = "/sys/class/dmi/id/product_name"
)

// findGoogle believes that the machine is Google's if a variable or the firmware says
// so, or if it is told to. Finding out by a question to the name server would be a
// request that nobody expects.
func findGoogle(o Options) (Source, string) {
	host := o.env(envMetadata)
	if host == "" {
		if o.Provider != "google" && !onGoogle() {
			return nil, ""
		}
		host = metadataHost
	}
	return google{o, host}, ""
}

func onGoogle() bool {
	f, err := os.Open(productFile)
	if err != nil {
		return false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 256))
	return err == nil && strings.HasPrefix(string(text), "Google")
}

type google struct {
	o    Options
	host string
}

func (g google) Name() string { return "Google Cloud" }

// Token asks for the token of the machine's default service account. The metadata server
// speaks plain HTTP; it is asked without any secret, and tells by a header that it is one.
func (g google) Token(ctx context.Context, r Request) (Token, error) {
	u := url.URL{Scheme: "http", Host: g.host, Path: metadataPath,
		RawQuery: url.Values{"audience": {r.Audience}, "format": {"full"}}.Encode()}
	body, err := g.o.ask(ctx, question{provider: g.Name(), method: http.MethodGet, url: u.String(), plainHTTP: true,
		header: http.Header{"Metadata-Flavor": {"Google"}}, wants: http.Header{"Metadata-Flavor": {"Google"}}})
	if err != nil {
		return Token{}, err
	}
	return parseFor(string(body), r.Audience, g.o.Now())
}

package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	trustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
)

var (
	// ErrSigningConfig says that bytes are no signing configuration in Sigstore's JSON
	// form, version 0.2. Give the signing_config.json of the deployment.
	ErrSigningConfig = errors.New("not a signing configuration")
	// ErrNoService says that a signing configuration has no service of a kind that may
	// be used now, or fewer than it asks for itself.
	ErrNoService = errors.New("the signing configuration has no such service now")
)

// SigningConfig says which services of a deployment sign
// (https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_trustroot.proto).
type SigningConfig struct {
	Name   string // where it was read from, for people
	CAs    []Service
	OIDCs  []Service
	Logs   []Service
	TSAs   []Service
	LogUse Selection
	TSAUse Selection
}

// Service is one service and when it may be used.
type Service struct {
	URL        string
	APIVersion int
	Operator   string
	Validity   Window
}

// Selection says how many services of a kind are used at once.
type Selection struct {
	All   bool
	Count int // 0 with All false: any one
}

const (
	signingConfigType = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
	maxSigningConfig  = 1 << 20
	maxServices       = 64
)

// ParseSigningConfig reads a signing configuration of version 0.2.
func ParseSigningConfig(name string, data []byte) (SigningConfig, error) {
	fail := func(err error) (SigningConfig, error) {
		return SigningConfig{}, fmt.Errorf("%w: %s: %w", ErrSigningConfig, name, err)
	}
	if len(data) > maxSigningConfig {
		return fail(fmt.Errorf("larger than %d bytes", maxSigningConfig))
	}
	if !json.Valid(data) {
		return fail(errors.New("it is no JSON document"))
	}
	var doc trustroot.SigningConfig
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &doc); err != nil {
		return fail(err)
	}
	if doc.GetMediaType() != signingConfigType {
		return fail(fmt.Errorf("media type %q, wanted is %q", doc.GetMediaType(), signingConfigType))
	}
	c := SigningConfig{Name: name}
	for _, set := range []struct {
		from []*trustroot.Service
		to   *[]Service
	}{{doc.GetCaUrls(), &c.CAs}, {doc.GetOidcUrls(), &c.OIDCs}, {doc.GetRekorTlogUrls(), &c.Logs}, {doc.GetTsaUrls(), &c.TSAs}} {
		if len(set.from) > maxServices {
			return fail(fmt.Errorf("%d services of a kind, more than %d", len(set.from), maxServices))
		}
		for _, s := range set.from {
			if hostOf(s.GetUrl()) == "" {
				return fail(fmt.Errorf("%q is no URL", s.GetUrl()))
			}
			*set.to = append(*set.to, Service{s.GetUrl(), int(s.GetMajorApiVersion()), s.GetOperator(), parseWindow(s.GetValidFor())})
		}
	}
	var err error
	if c.LogUse, err = parseSelection(doc.GetRekorTlogConfig(), len(c.Logs)); err != nil {
		return fail(fmt.Errorf("rekorTlogConfig: %w", err))
	}
	if c.TSAUse, err = parseSelection(doc.GetTsaConfig(), len(c.TSAs)); err != nil {
		return fail(fmt.Errorf("tsaConfig: %w", err))
	}
	return c, nil
}

func parseSelection(c *trustroot.ServiceConfiguration, services int) (Selection, error) {
	switch c.GetSelector() {
	case trustroot.ServiceSelector_ALL:
		return Selection{All: true}, nil
	case trustroot.ServiceSelector_ANY:
		return Selection{}, nil
	case trustroot.ServiceSelector_EXACT:
		if c.GetCount() == 0 || c.GetCount() > maxServices {
			return Selection{}, fmt.Errorf("EXACT wants a count, and has %d", c.GetCount())
		}
		return Selection{Count: int(c.GetCount())}, nil
	}
	if services == 0 { // nothing to choose from
		return Selection{}, nil
	}
	return Selection{}, fmt.Errorf("selector %s is not known", c.GetSelector())
}

// CA is the certificate authority to ask at a time, OIDC the identity provider for
// people.
func (c SigningConfig) CA(now time.Time) (Service, error) {
	return c.one("certificate authority", c.CAs, now)
}

// OIDC is the identity provider that people sign in with at a time.
func (c SigningConfig) OIDC(now time.Time) (Service, error) {
	return c.one("identity provider", c.OIDCs, now)
}

func (c SigningConfig) one(kind string, from []Service, now time.Time) (Service, error) {
	list := usable(from, []int{1}, now)
	if len(list) == 0 {
		return Service{}, fmt.Errorf("%w: %s (%s)", ErrNoService, kind, c.Name)
	}
	return list[0], nil
}

// UseLogs are the transparency logs to ask at a time, of API versions 1 and 2, by the
// configuration's own selector. A configuration without logs asks for none.
func (c SigningConfig) UseLogs(now time.Time) ([]Service, error) {
	return c.some("transparency log", c.Logs, c.LogUse, []int{1, 2}, now)
}

// UseTSAs are the timestamp authorities to ask at a time.
func (c SigningConfig) UseTSAs(now time.Time) ([]Service, error) {
	return c.some("timestamp authority", c.TSAs, c.TSAUse, []int{1}, now)
}

func (c SigningConfig) some(kind string, from []Service, use Selection, versions []int, now time.Time) ([]Service, error) {
	if len(from) == 0 && use.Count == 0 {
		return nil, nil
	}
	list := usable(from, versions, now)
	want := max(use.Count, 1)
	if len(list) < want {
		return nil, fmt.Errorf("%w: %d of the %d wanted (%s, %s)", ErrNoService, len(list), want, kind, c.Name)
	}
	if use.All {
		return list, nil
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:want], nil
}

// usable are the services that may be used at a time, one for each operator: the one
// with the newest API, and of these the one that began last.
func usable(from []Service, versions []int, now time.Time) []Service {
	var list []Service
	for _, s := range from {
		if s.Validity.Contains(now) && slices.Contains(versions, s.APIVersion) {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b Service) int {
		if a.APIVersion != b.APIVersion {
			return b.APIVersion - a.APIVersion
		}
		return b.Validity.From.Compare(a.Validity.From)
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s Service) bool {
		key := s.Operator
		if key == "" {
			key = s.URL
		}
		dup := seen[key]
		seen[key] = true
		return dup
	})
}

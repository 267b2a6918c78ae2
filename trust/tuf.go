package trust

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Targets of a TUF repository of Sigstore's.
const (
	targetTrustedRoot   = "trusted_root.json"
	targetSigningConfig = "signing_config.v0.2.json"
)

// fetch updates the TUF metadata in a folder from a mirror and reads its targets.
func (f Folder) fetch(ctx context.Context, r repository, metadataDir string) (Material, error) {
	fetcher := &fetcher{ctx: ctx, client: f.Client}
	options := tuf.DefaultOptions().WithRepositoryBaseURL(r.Mirror).WithCachePath(metadataDir).WithCacheValidity(0)
	options.Fetcher = fetcher
	if r.Root != nil {
		options = options.WithRoot(r.Root)
	}
	client, err := tuf.New(options) // asks the mirror what is new, as there is no validity
	if err != nil {
		return Material{}, fetcher.explain(r.Mirror, err)
	}
	m := Material{Mirror: r.Mirror, Fetched: f.Now().UTC(), Origin: "trusted root of " + r.Mirror}
	if m.TrustedRoot, err = client.GetTarget(targetTrustedRoot); err != nil {
		return Material{}, fetcher.explain(r.Mirror, err)
	}
	if _, err := m.Instances(); err != nil {
		return Material{}, err
	}
	if m.SigningConfig, err = client.GetTarget(targetSigningConfig); err != nil {
		if fetcher.err != nil || !strings.Contains(err.Error(), "getting info for target") { // listed, and not what it has to be
			return Material{}, fetcher.explain(r.Mirror, err)
		}
		m.SigningConfig = nil
		return m, nil // an older repository, which has none
	}
	_, err = m.Services()
	return m, err
}

// fetcher downloads for the TUF client, within the caller's context.
type fetcher struct {
	ctx    context.Context
	client *http.Client
	err    error // the last failure that was none of the mirror's answers
}

const maxTUFFile = 16 << 20

// DownloadFile implements the TUF client's fetcher.
func (f *fetcher) DownloadFile(url string, maxLength int64, _ time.Duration) ([]byte, error) {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := f.client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		f.err = err
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		err := &metadata.ErrDownloadHTTP{StatusCode: response.StatusCode, URL: url}
		if response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusForbidden {
			f.err = err
		}
		return nil, err
	}
	limit := min(maxLength, maxTUFFile)
	data, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		f.err = err
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &metadata.ErrDownloadLengthMismatch{Msg: fmt.Sprintf("%s is larger than %d bytes", url, limit)}
	}
	return data, nil
}

// explain tells a mirror that cannot be reached, or is out of date, from one that
// serves what it must not.
func (f *fetcher) explain(mirror string, err error) error {
	var expired *metadata.ErrExpiredMetadata
	var status *metadata.ErrDownloadHTTP
	switch {
	case f.err != nil:
		return fmt.Errorf("%w from %s: %w", ErrUpdate, mirror, f.err)
	case errors.As(err, &expired):
		return fmt.Errorf("%w from %s: its metadata has expired: %w", ErrUpdate, mirror, err)
	case errors.As(err, &status):
		return fmt.Errorf("%w from %s: %w", ErrUpdate, mirror, err)
	}
	return fmt.Errorf("%w (%s): %w", ErrTampered, mirror, err)
}

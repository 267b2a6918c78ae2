package oci

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

const (
	// smallBlob is the size of a blob that is sent in one request before it is known
	// whether the registry takes it: what is lost if it does not weighs less than a round trip.
	smallBlob = 64 << 10
	// singleBlob is that size where the registry does.
	singleBlob = 4 << 20
)

// singleUploads is whether a registry takes blobs in a single POST, an option of the
// distribution specification (1.1, "Single POST").
type singleUploads struct{ state atomic.Int32 }

const (
	singleUnknown = iota
	singleTaken
	singleRefused
)

func (s *singleUploads) learn(state int32) { s.state.Store(state) }

// limit is the size of a blob for which it is worth a try.
func (s *singleUploads) limit() int64 {
	switch s.state.Load() {
	case singleTaken:
		return singleBlob
	case singleRefused:
		return -1
	}
	return smallBlob
}

// sendAtOnce sends a blob with the request that would open its upload. A registry that does
// not know this form opens the upload and passes over the content: the blob is to be sent to
// the location. With neither, nothing was achieved, and the usual way is open: what goes
// wrong says how the registry takes this form, and little else, so it is tried once, and not
// again with another blob. An error would be met on the usual way as well.
func (r *repository) sendAtOnce(ctx context.Context, b Blob) (location string, done bool, err error) {
	q := request{method: http.MethodPost, url: r.base + "blobs/uploads/?" + url.Values{"digest": {b.Descriptor.Digest.String()}}.Encode(),
		body: &b, kind: blobType, push: true}
	resp, err := r.want(sentOnce(ctx), q, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		if ctx.Err() != nil || accessOrRate(err) {
			return "", false, err
		}
		r.single.learn(singleRefused)
		return "", false, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusCreated && namesDigest(resp, b.Descriptor.Digest) {
		r.single.learn(singleTaken)
		return "", true, nil
	}
	r.single.learn(singleRefused)
	if resp.StatusCode == http.StatusAccepted {
		location, _ = uploadLocation(resp) // none that can be used: the usual way
	}
	return location, false, nil
}

// accessOrRate reports whether a registry wants other credentials or fewer requests, whatever is asked.
func accessOrRate(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && (status.Status == http.StatusUnauthorized || status.Throttled())
}

// namesDigest reports whether the registry names no other digest than d for what it took in.
func namesDigest(resp *http.Response, d digest.Digest) bool {
	got := resp.Header.Get("Docker-Content-Digest")
	return got == "" || got == d.String()
}

// blobType is the Content-Type of a blob that is sent.
const blobType = "application/octet-stream"

type onceKey struct{}

// sentOnce has blobs that are sent under ctx sent once, but where the registry asks to wait.
// What else happens under it, such as asking for a token, is repeated as always.
func sentOnce(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// isSentOnce reports whether a request that was answered like this is not repeated.
func isSentOnce(req *http.Request, resp *http.Response) bool {
	if req.Context().Value(onceKey{}) == nil || req.Header.Get("Content-Type") != blobType {
		return false
	}
	return resp == nil || resp.StatusCode != http.StatusTooManyRequests
}

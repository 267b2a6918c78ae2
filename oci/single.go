package oci

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
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
// the location. With neither, nothing was achieved, and the usual way is open.
func (r *repository) sendAtOnce(ctx context.Context, b Blob) (location string, done bool, err error) {
	q := request{method: http.MethodPost, url: r.base + "blobs/uploads/?" + url.Values{"digest": {b.Descriptor.Digest.String()}}.Encode(),
		body: &b, kind: "application/octet-stream", push: true}
	resp, err := r.want(ctx, q, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		var status *StatusError
		if refused(err) && errors.As(err, &status) && !status.Unauthorized() {
			r.single.learn(singleRefused)
			return "", false, nil
		}
		return "", false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		r.single.learn(singleTaken)
		return "", true, nil
	}
	r.single.learn(singleRefused)
	location, err = uploadLocation(resp)
	return location, false, err
}

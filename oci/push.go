package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// uploadTries is how often an upload starts over that the registry has lost.
const uploadTries = 3

// pushBlob uploads content: one request opens the upload, one sends and ends it.
func (r *repository) pushBlob(ctx context.Context, d Descriptor, content []byte) error {
	var err error
	for range uploadTries {
		var again bool
		if again, err = r.pushBlobOnce(ctx, d, content); err == nil {
			return nil
		}
		if !again || ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("uploading %s: %w", d.Digest, err)
}

// pushBlobOnce reports with an error whether another upload is worth a try.
func (r *repository) pushBlobOnce(ctx context.Context, d Descriptor, content []byte) (again bool, err error) {
	resp, err := r.want(ctx, request{method: http.MethodPost, url: r.base + "blobs/uploads/", push: true}, http.StatusAccepted)
	if err != nil {
		return false, err
	}
	location, err := uploadLocation(resp, d.Digest)
	resp.Body.Close()
	if err != nil {
		return false, err
	}
	q := request{method: http.MethodPut, url: location, body: content, kind: "application/octet-stream", push: true}
	resp, err = r.want(ctx, q, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return uploadLost(err), err
	}
	resp.Body.Close()
	return false, nil
}

// uploadLost reports whether the registry has forgotten an upload, as it does when an
// answer was lost and the request repeated.
func uploadLost(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status == http.StatusNotFound || status.Status == http.StatusRequestedRangeNotSatisfiable || status.Status >= 500
	}
	return brokeOff(err)
}

// uploadLocation is where the upload goes on, with the digest that ends it.
func uploadLocation(resp *http.Response, d digest.Digest) (string, error) {
	location, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("the registry names no upload location: %w", unwrapURL(err))
	}
	if resp.Request.URL.Scheme == "https" && location.Scheme != "https" {
		return "", fmt.Errorf("refusing to upload from https to %s", redact(location))
	}
	if location.RawQuery != "" { // kept as it is: it may be signed
		location.RawQuery += "&"
	}
	location.RawQuery += "digest=" + url.QueryEscape(d.String())
	return location.String(), nil
}

// putManifest puts a manifest under a digest or tag. subjectDone reports that the
// registry itself keeps the list of referrers of the manifest's subject.
func (r *repository) putManifest(ctx context.Context, target string, d Descriptor, raw []byte, header http.Header) (subjectDone bool, err error) {
	q := request{method: http.MethodPut, url: r.base + "manifests/" + url.PathEscape(target), body: raw, kind: d.MediaType, header: header, push: true}
	resp, err := r.want(ctx, q, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if got := digest.Digest(resp.Header.Get("Docker-Content-Digest")); got != "" && got != d.Digest {
		return false, &DigestError{Want: d.Digest, Got: got, WantSize: -1}
	}
	return resp.Header.Get("OCI-Subject") != "", nil
}

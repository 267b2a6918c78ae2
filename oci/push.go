package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// uploadTries is how often an upload starts over that the registry has lost.
const uploadTries = 5

// pushBlob uploads content: a small blob in one request where the registry takes it, else
// one request opens the upload, and one sends and ends it. A large one that broke off goes
// up in chunks from then on. Where from is a repository of the
// same registry, the registry is asked to take the blob from there first.
func (r *repository) pushBlob(ctx context.Context, b Blob, from string) error {
	var err error
	chunk := int64(0) // as a whole
	for range uploadTries {
		var again bool
		if again, err = r.pushBlobOnce(ctx, b, from, r.senderOf(chunk)); err == nil {
			r.client.wrote.blobs.Add(1)
			return nil
		}
		switch {
		case ctx.Err() != nil:
			return err
		case tooLarge(err) && chunk != smallChunk:
			if chunk > 0 || b.Descriptor.Size <= chunkSize {
				chunk = smallChunk
			} else {
				chunk = chunkSize
			}
		case !again:
			return fmt.Errorf("uploading %s: %w", b.Descriptor.Digest, err)
		case b.Descriptor.Size > chunkSize && chunk == 0:
			chunk = chunkSize
		}
		from = "" // it was tried
	}
	return fmt.Errorf("uploading %s: %w", b.Descriptor.Digest, err)
}

// tooLarge reports whether a registry, or a proxy before it, takes in no body of this size.
func tooLarge(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Status == http.StatusRequestEntityTooLarge
}

// senderOf sends a blob in chunks of a size, or as a whole.
func (r *repository) senderOf(chunk int64) sender {
	if chunk == 0 {
		return r.sendWhole
	}
	return func(ctx context.Context, location string, b Blob) (bool, error) {
		return r.sendChunks(ctx, location, b, chunk)
	}
}

// sender sends a blob to where an upload was opened. It reports with an error whether
// another upload is worth a try.
type sender func(ctx context.Context, location string, b Blob) (again bool, err error)

func (r *repository) pushBlobOnce(ctx context.Context, b Blob, from string, send sender) (again bool, err error) {
	if from == "" && b.Descriptor.Size <= r.single.limit() {
		location, done, err := r.sendAtOnce(ctx, b)
		switch {
		case err != nil:
			return false, err
		case done:
			return false, nil
		case location != "":
			return send(ctx, location, b)
		}
	}
	location, mounted, err := r.openUpload(ctx, b.Descriptor.Digest, from)
	if mounted { // so it says
		if _, err := r.Stat(ctx, b.Descriptor.Digest); !errors.Is(err, ErrNotFound) {
			return false, err
		}
		location, _, err = r.openUpload(ctx, b.Descriptor.Digest, "")
	}
	if err != nil {
		return false, err
	}
	return send(ctx, location, b)
}

// openUpload opens an upload, or has the registry mount the blob from another repository.
func (r *repository) openUpload(ctx context.Context, d digest.Digest, from string) (location string, mounted bool, err error) {
	q := request{method: http.MethodPost, url: r.base + "blobs/uploads/", push: true}
	want := []int{http.StatusAccepted}
	mountCtx := ctx
	if from != "" {
		q.url += "?" + url.Values{"mount": {d.String()}, "from": {from}}.Encode()
		want = append(want, http.StatusCreated)
		mountCtx = auth.AppendScopesForHost(ctx, r.host, auth.ScopeRepository(from, auth.ActionPull))
	}
	resp, err := r.want(mountCtx, q, want...)
	if from != "" && refused(err) { // of the other repository, or of mounting at all
		return r.openUpload(ctx, d, "")
	}
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		return "", true, nil
	}
	location, err = uploadLocation(resp)
	return location, false, err
}

// refused reports whether a registry answered that it will not, which another request may
// get around.
func refused(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Status >= 400 && status.Status < 500 && !status.Throttled()
}

func (r *repository) sendWhole(ctx context.Context, location string, b Blob) (again bool, err error) {
	q := request{method: http.MethodPut, url: finishing(location, b.Descriptor.Digest), body: &b, kind: blobType, push: true}
	resp, err := r.want(ctx, q, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return uploadLost(err), err
	}
	resp.Body.Close()
	return false, nil
}

// uploadLost reports whether the registry has forgotten an upload, as it does when an
// answer was lost and the request repeated, or whether it got other bytes than were sent.
func uploadLost(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status == http.StatusNotFound || status.Status == http.StatusRequestedRangeNotSatisfiable ||
			status.Status == http.StatusBadRequest && (status.Code == "DIGEST_INVALID" || status.Code == "SIZE_INVALID" || status.Code == "BLOB_UPLOAD_INVALID") ||
			status.Status >= 500
	}
	return brokeOff(err) || tryAgain(err)
}

// uploadLocation is where an upload goes on.
func uploadLocation(resp *http.Response) (string, error) {
	location, err := resp.Location()
	if err != nil {
		return "", fmt.Errorf("the registry names no upload location: %w", unwrapURL(err))
	}
	if resp.Request.URL.Scheme == "https" && location.Scheme != "https" {
		return "", fmt.Errorf("refusing to upload from https to %s", redact(location))
	}
	return location.String(), nil
}

// finishing is a location with the digest that ends the upload there. Its query is kept as
// it is: it may be signed.
func finishing(location string, d digest.Digest) string {
	u, err := url.Parse(location)
	if err != nil {
		return location // refused by whoever sends it
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "digest=" + url.QueryEscape(d.String())
	return u.String()
}

// putManifest puts a manifest under a digest or tag, again where other bytes arrived than
// were sent. subjectDone reports that the registry itself keeps the list of referrers of
// the manifest's subject.
func (r *repository) putManifest(ctx context.Context, target string, d Descriptor, raw []byte, header http.Header) (subjectDone bool, err error) {
	for range uploadTries {
		if subjectDone, err = r.putManifestOnce(ctx, target, d, raw, header); err == nil || !damaged(err) || ctx.Err() != nil {
			break
		}
	}
	return subjectDone, err
}

// damaged reports whether a registry got other bytes than were sent.
func damaged(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status == http.StatusBadRequest && (status.Code == "DIGEST_INVALID" || status.Code == "MANIFEST_INVALID")
	}
	var other *DigestError
	return errors.As(err, &other)
}

func (r *repository) putManifestOnce(ctx context.Context, target string, d Descriptor, raw []byte, header http.Header) (subjectDone bool, err error) {
	body := BytesBlob(d.MediaType, raw)
	q := request{method: http.MethodPut, url: r.base + "manifests/" + url.PathEscape(target), body: &body, kind: d.MediaType, header: header, push: true}
	resp, err := r.want(ctx, q, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		if !refused(err) {
			r.client.wrote.unsure.Add(1)
		}
		return false, err
	}
	r.client.wrote.manifests.Add(1)
	defer resp.Body.Close()
	if got := digest.Digest(resp.Header.Get("Docker-Content-Digest")); got != "" && got != d.Digest {
		return false, &DigestError{Want: d.Digest, Got: got, WantSize: -1}
	}
	return resp.Header.Get("OCI-Subject") != "", nil
}

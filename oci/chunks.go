package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	// chunkSize is how much of a large blob goes up in one request once an upload as a
	// whole broke off, and what is held of it in memory.
	chunkSize = 16 << 20
	// smallChunk is what goes up at once where even that is too much for a proxy on the way.
	smallChunk = 1 << 20
	// chunkTries is how often one chunk is sent.
	chunkTries = 6
)

// sendChunks implements sender. A chunk that broke off goes on where the registry says it
// is. The last request, which makes a blob of it, is sent only after the content proved to
// be that of its digest.
func (r *repository) sendChunks(ctx context.Context, location string, b Blob, chunk int64) (again bool, err error) {
	body, err := b.Open()
	if err != nil {
		return true, err
	}
	defer body.Close()
	content := newCheckedReader(body, b.Descriptor)
	buffer := make([]byte, min(chunk, b.Descriptor.Size))
	for offset := int64(0); offset < b.Descriptor.Size; {
		n, err := io.ReadFull(content, buffer)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return tryAgain(err) || brokeOff(err), err
		}
		if location, err = r.sendChunk(ctx, location, offset, buffer[:n]); err != nil {
			return true, err
		}
		offset += int64(n)
	}
	if _, err := content.Read(make([]byte, 1)); err != io.EOF {
		return true, fmt.Errorf("reading %s to its end: %w", b.Descriptor.Digest, err)
	}
	return r.sendWhole(ctx, location, Blob{Descriptor: Descriptor{Digest: b.Descriptor.Digest}})
}

// sendChunk sends the bytes at an offset, as often as it takes.
func (r *repository) sendChunk(ctx context.Context, location string, offset int64, chunk []byte) (next string, err error) {
	sent := 0
	for try := range chunkTries {
		if try > 0 {
			if err := r.client.clock.Sleep(ctx, firstWait<<try); err != nil {
				return "", err
			}
			var has int64
			if location, has, err = r.uploadStatus(ctx, location); err != nil {
				return "", err
			}
			if has < offset || has > offset+int64(len(chunk)) {
				return "", fmt.Errorf("%w: an upload that had %d bytes has %d now", ErrManifest, offset, has)
			}
			if sent = int(has - offset); sent == len(chunk) {
				return location, nil
			}
		}
		from := offset + int64(sent)
		part := BytesBlob("", chunk[sent:])
		q := request{method: http.MethodPatch, url: location, body: &part, kind: "application/octet-stream", push: true,
			header: http.Header{"Content-Range": {fmt.Sprintf("%d-%d", from, from+part.Descriptor.Size-1)}}}
		var resp *http.Response
		if resp, err = r.want(ctx, q, http.StatusAccepted, http.StatusNoContent); err == nil {
			defer resp.Body.Close()
			return uploadLocation(resp)
		}
		if ctx.Err() != nil || refused(err) && !uploadLost(err) {
			return "", err
		}
	}
	return "", err
}

// uploadStatus asks how many bytes of an upload the registry has.
func (r *repository) uploadStatus(ctx context.Context, location string) (next string, has int64, err error) {
	resp, err := r.want(ctx, request{method: http.MethodGet, url: location, push: true}, http.StatusNoContent, http.StatusAccepted)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	if resp.Header.Get("Location") != "" {
		if location, err = uploadLocation(resp); err != nil {
			return "", 0, err
		}
	}
	text := resp.Header.Get("Range")
	if text == "" || text == "0-0" && resp.Header.Get("Content-Range") == "" {
		return location, 0, nil // nothing yet: a range of no byte cannot be written
	}
	_, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil || end < 0 {
		return "", 0, fmt.Errorf("%w: the registry says of an upload that it has %q", ErrManifest, printable(text))
	}
	return location, end + 1, nil
}

package sigstore

import (
	"fmt"
	"io"
	"net/http"

	"github.com/digitorus/timestamp"
)

// tsa answers POST /api/v1/timestamp as RFC 3161 section 3.4 has it.
func (w *World) tsa(t *TSA) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+timestampPath, func(rw http.ResponseWriter, r *http.Request) { w.stamp(t, rw, r) })
	mux.HandleFunc("GET "+timestampPath+"/certchain", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = rw.Write(concatPEM(t.Chain()...))
	})
	return mux
}

func (w *World) stamp(t *TSA, rw http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Content-Type"); got != "application/timestamp-query" {
		refuse(rw, http.StatusUnsupportedMediaType, fmt.Errorf("the request is of type %q", got))
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return
	}
	query, err := timestamp.ParseRequest(body)
	if err != nil {
		refuse(rw, http.StatusBadRequest, fmt.Errorf("the time stamp request: %w", err))
		return
	}
	if _, known := hashOIDs[query.HashAlgorithm]; !known || len(query.HashedMessage) != query.HashAlgorithm.Size() {
		refuse(rw, http.StatusBadRequest, fmt.Errorf("the time stamp request's digest is not one of %v", query.HashAlgorithm))
		return
	}
	rw.Header().Set("Content-Type", "application/timestamp-reply")
	rw.WriteHeader(http.StatusCreated)
	_, _ = rw.Write(w.reply(t, query))
}

func (w *World) reply(t *TSA, query *timestamp.Request) []byte {
	f := w.Twists.Stamp
	request := stampRequest{
		hash: query.HashAlgorithm, sum: query.HashedMessage, nonce: query.Nonce,
		embed: query.Certificates && !f.NoCert,
	}
	if f.Over != nil {
		request.sum = digest(request.hash, f.Over)
	}
	at := w.Now()
	if !f.Time.IsZero() {
		at = f.Time
	}
	return t.respond(request, at, f)
}

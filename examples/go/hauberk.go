package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

const (
	// A refusal that comes late is as good as none: the user waits.
	deadline = 3 * time.Second
	// Every certificate carries the names of the services it serves; that name is checked, not the host's.
	serverName = "gateway.hauberk.internal"
)

// Trace is one W3C trace context: every call made with it is a child of the same trace.
type Trace struct{ ID string }

// NewTrace begins a trace.
func NewTrace() Trace { return Trace{ID: random(16)} }

func random(length int) string {
	made := make([]byte, length)
	rand.Read(made) // never fails: the program ends when there is no randomness
	return hex.EncodeToString(made)
}

// call is the context of one call: its deadline, and the trace it belongs to.
func (t Trace) call(parent context.Context) (context.Context, context.CancelFunc) {
	traceparent := "00-" + t.ID + "-" + random(8) + "-01"
	return context.WithTimeout(metadata.AppendToOutgoingContext(parent, "traceparent", traceparent), deadline)
}

// Place is the folder that `hauberk up` keeps: where it answers, certificates, the first API key.
type Place struct{ folder string }

func (p Place) read(parts ...string) (string, error) {
	data, err := os.ReadFile(filepath.Join(append([]string{p.folder}, parts...)...))
	return strings.TrimSpace(string(data)), err
}

// Dial connects as the workload backend/demo, by mutual TLS.
func (p Place) Dial() (*grpc.ClientConn, error) {
	tlsFolder := filepath.Join(p.folder, "tls")
	own, err := tls.LoadX509KeyPair(filepath.Join(tlsFolder, "backend-demo.crt"), filepath.Join(tlsFolder, "backend-demo.pem"))
	if err != nil {
		return nil, err
	}
	authority, err := p.read("tls", "ca.crt")
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM([]byte(authority)) {
		return nil, errors.New("ca.crt holds no certificate")
	}
	written, err := p.read("stack.json")
	if err != nil {
		return nil, err
	}
	var running struct{ Address string }
	if err := json.Unmarshal([]byte(written), &running); err != nil {
		return nil, err
	}
	return grpc.NewClient(running.Address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{own},
		RootCAs:      authorities,
		ServerName:   serverName,
		MinVersion:   tls.VersionTLS13,
	})))
}

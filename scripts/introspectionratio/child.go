package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/scripts/child"
)

const (
	// bareTokens is how many the bare server knows.
	bareTokens = 100_000
	// askedTokens is how many are asked about, at either server.
	askedTokens = 1_000
)

// sameHeaders is sent to have the bare server answer in as many headers as ours.
const sameHeaders = "X-Same-Headers"

// answerHeaders are those of our answer to a proxy, but for what net/http adds.
var answerHeaders = []string{
	"Remote-User", "Remote-Email", "Remote-Groups", "X-Sallyport-User", "X-Sallyport-Organization", "X-Sallyport-Token-Type", "X-Sallyport-Amr",
	"X-Sallyport-Managed", "X-Sallyport-Roles", "X-Sallyport-Groups-Omitted", "Strict-Transport-Security", "X-Content-Type-Options",
	"Referrer-Policy", "Cross-Origin-Resource-Policy", "Cache-Control", "X-Frame-Options", "Content-Security-Policy", "X-Request-Id",
}

// bare serves the least: a form, a hash, a map, a JSON object or headers.
func bare(ctx context.Context) error {
	known := make(map[[sha256.Size]byte]string, bareTokens)
	out := ready{}
	for n := range bareTokens {
		plain, _, hash := credential.New(credential.KindPersonal, rand.Reader)
		known[hash] = fmt.Sprintf("u%011x", n)
		if len(out.Tokens) < askedTokens {
			out.Tokens = append(out.Tokens, plain)
		}
	}
	out.Caller = out.Tokens[0] // sent and not looked at
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := ""
		if r.Method == http.MethodPost {
			token = r.PostFormValue("token")
		} else {
			token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		}
		subject, active := known[sha256.Sum256([]byte(token))]
		if r.Header.Get(sameHeaders) != "" {
			for _, name := range answerHeaders {
				w.Header()[name] = []string{subject}
			}
			w.WriteHeader(http.StatusOK)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct {
			Active bool   `json:"active"`
			Sub    string `json:"sub,omitempty"`
		}{active, subject})
	})
	return serve(ctx, out, func(ctx context.Context, l net.Listener) error {
		h := &http.Server{Handler: handler}
		context.AfterFunc(ctx, func() { _ = h.Close() })
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// product serves ours whole, on a database of its own: on PostgreSQL an empty
// one at the URL, else SQLite in the folder.
func product(ctx context.Context, dir, database string) (err error) {
	flags := map[string]string{"data-dir": dir}
	if database != "" {
		flags["database-url"], flags["secret-key-file"] = database, dir+".key"
		if err := server.GenerateKey(flags["secret-key-file"]); err != nil {
			return err
		}
	}
	config, err := server.LoadConfig(flags, func(string) string { return "" }, "")
	if err != nil {
		return err
	}
	profiled, err := child.Profile("INTROSPECTIONRATIO_PROFILE")
	if err != nil {
		return err
	}
	defer profiled()
	log, flush := server.NewLog(&config, os.Stderr)
	defer flush()
	s, err := server.New(ctx, config, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	out, err := prepare(ctx, s)
	if err != nil {
		return err
	}
	s.Start()
	return serve(ctx, out, s.Serve)
}

// echoed is the answer of the server that does nothing, as good at one door as
// at the other, and about as long as ours.
var echoed = func() []byte {
	body := `{"active":true,"sub":"` + strings.Repeat("u", 300) + `"}`
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nRemote-User: nobody\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

// echo answers whatever comes at once. A request comes in one piece: it is
// small, and was sent so.
func echo(ctx context.Context) error {
	return serve(ctx, ready{}, func(ctx context.Context, l net.Listener) error {
		context.AfterFunc(ctx, func() { _ = l.Close() })
		for {
			conn, err := l.Accept()
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			go func() {
				defer conn.Close()
				request := make([]byte, largestAnswer)
				for {
					if _, err := conn.Read(request); err != nil {
						return
					}
					if _, err := conn.Write(echoed); err != nil {
						return
					}
				}
			}()
		}
	})
}

// serve listens on loopback, says so, and answers until standard input ends.
func serve(ctx context.Context, out ready, run func(context.Context, net.Listener) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out.URL = "http://" + l.Addr().String()
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return err
	}
	go func() {
		defer stop()
		for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
			used, _ := child.UsedBy(os.Getpid()) // the kernel knows its callers
			fmt.Println(used.Own.Nanoseconds())
		}
	}()
	return run(ctx, l)
}

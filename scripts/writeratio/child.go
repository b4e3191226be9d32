package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/access"
	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/org"
	"github.com/sallyport/sallyport/internal/server"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
	"github.com/sallyport/sallyport/scripts/child"
)

// serveProduct is the argument by which the program starts itself as a server.
const serveProduct = "serve-product"

// How many people there are, and how many tokens one may make in a turn: fewer
// than the server allows.
const (
	people         = 2000
	tokensOfPerson = 8
)

// ready is what the server says of itself before it answers requests.
type ready struct {
	URL      string   `json:"url"`
	Sessions []string `json:"sessions"` // of all people, by number
}

// userID and sessionPrefix are those of a person by number. pgbench makes the
// same text of the number.
func userID(n int) string        { return fmt.Sprintf("u%011x", n) }
func sessionPrefix(n int) string { return fmt.Sprintf("sps_%08x", n) }

// product serves ours whole on an empty database of PostgreSQL. Each line of
// its standard input is the length of a turn in which it writes by itself; it
// answers with how many changes it made.
func product(ctx context.Context, dir, database, clients string) (err error) {
	flags := map[string]string{"data-dir": dir, "database-url": database, "secret-key-file": dir + ".key"}
	if err := server.GenerateKey(flags["secret-key-file"]); err != nil {
		return err
	}
	config, err := server.LoadConfig(flags, func(string) string { return "" }, "")
	if err != nil {
		return err
	}
	profiled, err := child.Profile("WRITERATIO_PROFILE")
	if err != nil {
		return err
	}
	defer profiled()
	s, err := server.New(ctx, config, slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	out, err := prepare(ctx, s)
	if err != nil {
		return err
	}
	s.Start()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	out.URL = "http://" + l.Addr().String()
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
			if err := direct(ctx, s, out.Sessions, clients, asked.Text()); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
		}
	}()
	return s.Serve(ctx, l)
}

// prepare makes people with a session each, an event in their log, and a row of
// a session for pgbench.
func prepare(ctx context.Context, s *server.Server) (ready, error) {
	made, err := s.Bootstrap(ctx, "admin@example.com", "Example", "correct horse battery staple")
	if err != nil {
		return ready{}, err
	}
	out := ready{}
	for n := range people {
		err := s.DB.Update(ctx, identity.Actor{Kind: identity.ActorOperator}, store.User(userID(n)), func(tx *store.Tx) error {
			plain, prefix, hash := credential.New(credential.KindSession, rand.Reader)
			_, _, other := credential.New(credential.KindSession, rand.Reader)
			session := identity.Token{
				Prefix: prefix, Hash: hash, UserID: userID(n), Kind: policy.Session, Expires: tx.Now.Add(time.Hour),
				Authentication: policy.Authentication{Method: policy.MethodPassword, At: tx.Now},
			}
			rehearsed := session
			rehearsed.Prefix, rehearsed.Hash = sessionPrefix(n), other
			out.Sessions = append(out.Sessions, plain)
			u := identity.User{ID: userID(n), Email: userID(n) + "@example.com", RealName: "A person", EmailConfirmed: tx.Now, State: identity.StateActive}
			return errors.Join(
				tx.AddUser(ctx, u), tx.AddMember(ctx, made.OrganizationID, u.ID, false), tx.AddToken(ctx, session), tx.AddToken(ctx, rehearsed),
				tx.Record(ctx, identity.Event{Action: "measurement_prepared", Description: "a person was made for a measurement"}),
			)
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// direct makes tokens without HTTP for a time and prints how many.
func direct(ctx context.Context, s *server.Server, sessions []string, clients, length string) error {
	var n int
	if _, err := fmt.Sscan(clients, &n); err != nil {
		return err
	}
	d, err := time.ParseDuration(length)
	if err != nil {
		return err
	}
	made, err := atOnce(ctx, n, d, func(ctx context.Context, _, person int) error {
		p, err := s.Access.Check(ctx, access.Request{
			Bearer: sessions[person], RequestID: "req_measured", Address: identity.Address{Client: netip.MustParseAddr("198.51.100.7")},
		})
		if err != nil {
			return err
		}
		_, err = s.Org.CreateToken(ctx, p, org.TokenRequest{Description: description})
		return err
	})
	fmt.Println(made)
	return err
}

// description is that of all tokens.
const description = "made for a measurement"

// atOnce lets some clients work for a time, each with people of its own of whom
// each gets as many tokens as they may have, and returns how often they did.
func atOnce(ctx context.Context, clients int, length time.Duration, work func(ctx context.Context, client, person int) error) (int64, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var done atomic.Int64
	var running sync.WaitGroup
	end := time.Now().Add(length)
	for client := range clients {
		running.Go(func() {
			for i := 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
				person := client + i/tokensOfPerson*clients
				if person >= people {
					stop(errors.New("there are too few people for so fast a machine: shorten the turns with -seconds"))
					return
				}
				if err := work(ctx, client, person); err != nil {
					stop(err)
					return
				}
				done.Add(1)
			}
		})
	}
	running.Wait()
	return done.Load(), context.Cause(ctx)
}

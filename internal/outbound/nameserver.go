package outbound

import (
	"context"
	"errors"
	"net"
	"time"
)

// dnsTime is how long one name server has to answer.
const dnsTime = 3 * time.Second

// Ask asks one server after the other until one gives a usable answer:
// records, or that there are none, which is the error NotFound. What is wrong
// with a server is no answer; the error of all of them is trouble.
func Ask[T any](ctx context.Context, servers []string, ask func(context.Context, *net.Resolver) (T, error)) (answer T, err error) {
	if len(servers) == 0 {
		servers = []string{""} // the resolver's own list
	}
	var trouble error
	for _, server := range servers {
		answer, err = askOne(ctx, server, ask)
		if err == nil || NotFound(err) {
			return answer, err
		}
		trouble = errors.Join(trouble, err)
	}
	return answer, trouble
}

// NotFound says whether an error is an answer: no such name, or no record.
func NotFound(err error) bool {
	var missing *net.DNSError
	return errors.As(err, &missing) && missing.IsNotFound
}

// askOne asks one server, over UDP and, when the answer is cut off, TCP.
func askOne[T any](ctx context.Context, server string, ask func(context.Context, *net.Resolver) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, StrictErrors: true}
	if server != "" {
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server)
		}
	}
	return ask(ctx, resolver)
}

// Package sallyport is the client of a Sallyport server, and the types that go
// over the wire.
//
// Make a Client with New, and call one method for each thing the server does:
//
//	client := sallyport.New("https://auth.example.com", token)
//	me, err := client.Me(ctx)
//
// A refusal is an *Error. It carries the server's code, every reason, what to
// do about it, and the id of the decision, which an organization admin can
// look up. Compare its kind with errors.Is(err, sallyport.ErrForbidden).
//
// Wire types are compatible with the Aiven API where it has the same call.
// Times are RFC 3339 in UTC with up to six digits of fraction; an unset time
// is null and a nil pointer here, never an empty text. Fields that are
// pointers without "omitzero" are always present in answers, null allowed. In
// requests a nil pointer, nil list or nil map leaves the thing as it is.
//
// The methods may be called at the same time from several goroutines. None of
// them retries: a repeated create would create twice.
package sallyport

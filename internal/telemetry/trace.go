package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracer sends spans by OTLP over HTTP. Make one with NewTracer.
//
// Attributes are patterns, codes and ids of requests: no address, no name, no
// text that somebody sent, no SQL. A trace begins with us: what clients say
// about theirs is not believed, or they could have everything sampled.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// Traced says whether the environment names a receiver (OTEL_EXPORTER_OTLP_…,
// as the specification of OpenTelemetry has it).
func Traced(getenv func(string) string) bool {
	return getenv("OTEL_SDK_DISABLED") != "true" && getenv("OTEL_TRACES_EXPORTER") != "none" &&
		(getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "")
}

// NewTracer returns a tracer that the environment of the process configures:
// endpoint, headers, sampler, name of the service. Close it to send what waits.
func NewTracer(ctx context.Context, log *slog.Logger) (*Tracer, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	named, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "sallyport")), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	// The library has one place for errors in a process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are not sent", "error", err) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(named))
	return &Tracer{provider, provider.Tracer("github.com/sallyport/sallyport")}, nil
}

// closeTime is how long the last spans may take to be sent.
const closeTime = 5 * time.Second

// Close sends what waits and ends the tracer.
func (t *Tracer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// Request begins the span of a request; end names its route, status and the
// code of what went wrong, if anything did.
func (t *Tracer) Request(ctx context.Context, requestID string) (_ context.Context, end func(route string, status int, code string)) {
	ctx, span := t.tracer.Start(ctx, "request", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("sallyport.request_id", requestID)))
	return ctx, func(route string, status int, code string) {
		span.SetName(route)
		span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		failed(span, code, status >= 500)
	}
}

// Decision begins the span of a check of a credential; end says how it came
// out.
func (t *Tracer) Decision(ctx context.Context) (_ context.Context, end func(outcome string)) {
	ctx, span := t.tracer.Start(ctx, "decision")
	return ctx, func(outcome string) {
		span.SetAttributes(attribute.String("sallyport.outcome", outcome))
		span.End()
	}
}

// Transaction begins the span of a transaction, named by what it does: read or
// write; end says whether it failed.
func (t *Tracer) Transaction(ctx context.Context, system, name string) (_ context.Context, end func(failed bool)) {
	if system == "postgres" { // as the conventions of OpenTelemetry call it
		system = "postgresql"
	}
	ctx, span := t.tracer.Start(ctx, "database "+name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.system.name", system)))
	return ctx, func(bad bool) {
		failed(span, "", bad)
	}
}

// failed ends a span.
func failed(span trace.Span, code string, bad bool) {
	if code != "" {
		span.SetAttributes(attribute.String("error.type", code))
	}
	if bad {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

package org

import (
	"context"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/policy"
)

// onlyOfChanges are fields of a change that say how it is made; a preview takes
// them, so that it can be sent the body of the change, and does nothing about
// them.
var onlyOfChanges = []string{acceptLockout, "accept_all_addresses", "confirm_within_seconds"}

// PreviewPolicy says what a change of the policy or of the address ranges
// would do, without doing it. The document is that of ChangePolicy; it may hold
// the fields of the ranges as well. It refuses what is no policy, but not what
// would lock anybody out.
func (s *Service) PreviewPolicy(ctx context.Context, p *identity.Principal, document []byte, page Page) (Impact, error) {
	fields, err := previewFields(document)
	if err != nil {
		return Impact{}, err
	}
	return s.previewFields(ctx, p, fields, page)
}

// PreviewRanges is PreviewPolicy for a change of the address ranges.
func (s *Service) PreviewRanges(ctx context.Context, p *identity.Principal, change RangesChange, page Page) (Impact, error) {
	document, err := change.document()
	if err != nil {
		return Impact{}, err
	}
	return s.previewEdit(ctx, p, document, page)
}

func previewFields(document []byte) (map[string]jsontext.Value, error) {
	fields := map[string]jsontext.Value{}
	if len(document) == 0 {
		return fields, nil
	}
	// Names that appear twice are an error here.
	if err := jsonv2.Unmarshal(document, &fields); err != nil || fields == nil {
		return nil, identity.Invalidf("bad_request", "the change is not one JSON object with each field once")
	}
	return fields, nil
}

func (s *Service) previewFields(ctx context.Context, p *identity.Principal, fields map[string]jsontext.Value, page Page) (Impact, error) {
	for _, name := range onlyOfChanges {
		delete(fields, name)
	}
	rest, err := jsonv2.Marshal(fields)
	if err != nil {
		return Impact{}, err
	}
	return s.previewEdit(ctx, p, rest, page)
}

// previewEdit compares the policy with itself under a change.
func (s *Service) previewEdit(ctx context.Context, p *identity.Principal, document []byte, page Page) (i Impact, err error) {
	if err := s.flush(); err != nil {
		return i, err
	}
	err = s.DB.View(ctx, func(r *store.Read) error {
		w, err := r.World(ctx, p.Organization.ID)
		if err != nil {
			return err
		}
		edit := policyEdit{apply: func(base policy.Policy) (policy.Policy, error) { return policy.ParseOver(base, document) }}
		_, after, err := edit.plan(p, w.Organization)
		if err != nil {
			return err
		}
		i = compare(s.outlook(&w, readPolicy(w.Organization.Policy)), s.outlook(&w, &after), page)
		return nil
	})
	return i, err
}

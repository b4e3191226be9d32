package org

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/saml"
	"github.com/sallyport/sallyport/internal/store"
)

// keyValidity is how long the certificates of our keys are valid. Providers
// look at the key alone; rotating is an admin's decision.
const keyValidity = 10 * 365 * 24 * time.Hour

// newMethodKey makes a key for a method. This takes a second, so it happens
// outside of transactions.
func (s *Service) newMethodKey(methodID, algorithm, state string) (k identity.MethodKey, err error) {
	algorithm = cmp.Or(algorithm, identity.KeyRSA3072)
	if algorithm != identity.KeyRSA3072 && algorithm != identity.KeyECDSAP256 {
		return k, identity.Invalidf("bad_request", "the algorithm of a key must be %s or %s; nothing can be encrypted to the second", identity.KeyRSA3072, identity.KeyECDSAP256)
	}
	id, err := s.DB.NewID("k")
	if err != nil {
		return k, err
	}
	pair, err := saml.GenerateKey(s.rand(), saml.KeyType(algorithm), s.Brand+" "+methodID, s.DB.Now(), keyValidity)
	if err != nil {
		return k, err
	}
	private, certificate, err := pair.Marshal()
	if err != nil {
		return k, err
	}
	return identity.MethodKey{
		ID: id, MethodID: methodID, Certificate: pemOf(certificate), Secret: s.Keys.Seal(identity.MethodKeyPurpose, id, private),
		Algorithm: algorithm, State: state,
	}, nil
}

// AddMethodKey makes the next key of ours for a SAML provider. It is in our
// metadata from now on, beside the one in use, and decrypts; it signs once it
// is activated. Conflict saml_key_exists while another one is the next.
func (s *Service) AddMethodKey(ctx context.Context, p *identity.Principal, accountID, id, algorithm string) (m Method, err error) {
	if _, err := s.samlProvider(ctx, p, accountID, id); err != nil {
		return m, err
	}
	k, err := s.newMethodKey(id, algorithm, identity.KeyNext)
	if err != nil {
		return m, err
	}
	err = s.changeSAML(ctx, p, accountID, id, func(tx *store.Tx, before Method) error {
		if slices.ContainsFunc(before.Keys, func(k identity.MethodKey) bool { return k.State == identity.KeyNext }) {
			return identity.Conflictf("saml_key_exists", "there is a next key already: activate it, or retire it first")
		}
		if err := tx.AddMethodKey(ctx, k); err != nil {
			return err
		}
		return s.keyChanged(ctx, tx, p, before, k, "authentication_method_key_created", "made the next key for the identity provider %q", &m)
	})
	return m, err
}

// ActivateMethodKey has the next key sign from now on. The one before decrypts
// still, and stays in our metadata, until it is retired.
func (s *Service) ActivateMethodKey(ctx context.Context, p *identity.Principal, accountID, id, keyID string) (m Method, err error) {
	err = s.changeSAML(ctx, p, accountID, id, func(tx *store.Tx, before Method) error {
		k, err := tx.MethodKey(ctx, id, keyID)
		if err != nil {
			return err
		}
		switch k.State {
		case identity.KeyActive:
			m = before
			return nil
		case identity.KeyRetired:
			return identity.Invalidf("saml_key_retired", "this key is retired, and its secret is forgotten: make another one")
		}
		if old, found := before.SigningKey(); found {
			if err := tx.SetMethodKeyState(ctx, id, old.ID, identity.KeyOld); err != nil {
				return err
			}
		}
		if err := tx.SetMethodKeyState(ctx, id, keyID, identity.KeyActive); err != nil {
			return err
		}
		return s.keyChanged(ctx, tx, p, before, k, "authentication_method_key_activated", "activated another key for the identity provider %q", &m)
	})
	return m, err
}

// RetireMethodKey takes a key that does not sign out of our metadata and
// forgets its secret. Invalid saml_key_active for the one that signs.
func (s *Service) RetireMethodKey(ctx context.Context, p *identity.Principal, accountID, id, keyID string) (m Method, err error) {
	err = s.changeSAML(ctx, p, accountID, id, func(tx *store.Tx, before Method) error {
		k, err := tx.MethodKey(ctx, id, keyID)
		if err != nil {
			return err
		}
		switch k.State {
		case identity.KeyRetired:
			m = before
			return nil
		case identity.KeyActive:
			return identity.Invalidf("saml_key_active", "this key signs now: make another one and activate it, then retire this one")
		}
		if err := tx.SetMethodKeyState(ctx, id, keyID, identity.KeyRetired); err != nil {
			return err
		}
		return s.keyChanged(ctx, tx, p, before, k, "authentication_method_key_retired", "retired a key for the identity provider %q", &m)
	})
	return m, err
}

func (s *Service) keyChanged(ctx context.Context, tx *store.Tx, p *identity.Principal, before Method, k identity.MethodKey, action, sentence string, m *Method) (err error) {
	detail := map[string]any{"key_id": k.ID, "algorithm": k.Algorithm}
	if err := tx.Record(ctx, methodEvent(p, action, before.AuthenticationMethod, fmt.Sprintf(sentence, before.Name), nil, detail)); err != nil {
		return err
	}
	*m, err = methodOf(ctx, &tx.Read, before.OrganizationID, before.ID)
	return err
}

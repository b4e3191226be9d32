package login

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/credential"
	"github.com/sallyport/sallyport/internal/identity"
	"github.com/sallyport/sallyport/internal/store"
)

// deviceCodeLife is how long a mailed confirmation of a device lives
// (docs/parameters.md 3.7).
const deviceCodeLife = 10 * time.Minute

var (
	deviceLetter = letter{identity.MailDeviceConfirmation, store.PurposeDevice, "/device", deviceCodeLife}
	deviceCall   = openCall{
		[]string{identity.MailDeviceConfirmation, identity.MailAddressLapsed},
		"device_confirmation_requested", "somebody asked to confirm a device for this account; its owner got a mail",
	}
)

// remember makes a device one that its owner has used; the cookie it replaces
// is forgotten.
func remember(ctx context.Context, tx *store.Tx, userID, hash, replaces string, expires time.Time) error {
	if err := tx.AddDevice(ctx, hash, replaces, userID, expires); err != nil {
		return err
	}
	return tx.KeepDevices(ctx, userID, maxDevices)
}

// RequestDevice mails a code that makes the device it is used on a known one,
// with a counter of its own: a stranger who guesses cannot keep the owner of an
// account out (row RAT-04). The answer is the same for every address.
//
// Errors: Invalid for an address that can be none, and mail_not_configured;
// TooMany as for SignUp.
func (s *Service) RequestDevice(ctx context.Context, from Caller, email string) error {
	return s.requestMail(ctx, from, deviceCall, email, func(tx *store.Tx, u *identity.User) error {
		return s.mailCode(ctx, tx, u, deviceLetter)
	})
}

// Device is a device cookie for whoever confirmed a device by mail.
type Device struct {
	Value   string
	Expires time.Time
	Email   string // whose device it is
}

// ConfirmDevice makes a device known with a mailed code. It logs nobody in: it
// opens the counters of this device, not the account.
//
// Errors: Invalid user_weblink_action_expired for every code that is not good;
// TooMany as for SignUp.
func (s *Service) ConfirmDevice(ctx context.Context, from Caller, code string) (Device, error) {
	if err := s.Call(from.Client); err != nil {
		return Device{}, err
	}
	hash, _ := credential.HashCode(code) // no row has the empty hash
	var owner string
	err := s.DB.Once(func(r *store.Read) (err error) {
		owner, err = r.CodeOwner(ctx, hash, store.PurposeDevice)
		return err
	})
	if err != nil {
		return Device{}, err
	}
	value, valueHash := credential.NewCode(s.rand())
	device := Device{Value: value}
	err = s.DB.Update(ctx, from.anonymous(), store.User(owner), func(tx *store.Tx) error {
		if _, err := tx.UseCode(ctx, hash, store.PurposeDevice); err != nil {
			return err
		}
		user, err := tx.User(ctx, owner)
		if err != nil {
			return err
		}
		device.Email, device.Expires = user.Email, tx.Now.Add(deviceLife)
		if err := remember(ctx, tx, owner, valueHash, "", device.Expires); err != nil {
			return err
		}
		return record(ctx, tx, &user, "device_confirmed", "confirmed a device with a mailed code", map[string]any{"user_agent": short(from.UserAgent)})
	})
	if err != nil {
		return Device{}, err
	}
	return device, nil
}

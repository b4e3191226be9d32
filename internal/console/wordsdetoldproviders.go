package console

// toldProvidersInGerman are messages about identity providers, as toldInGerman.
// Names of the API's fields in them become those of the page.
var toldProvidersInGerman = map[string]string{
	"the authentication_method_name must have 1 to %d characters":                                                            "authentication_method_name muss 1 bis %[1]s Zeichen haben.",
	"auth_token_max_age_seconds must be at least %d":                                                                         "auth_token_max_age_seconds: mindestens %[1]s Sekunden.",
	"auth_token_max_age_seconds must be at most %d":                                                                          "auth_token_max_age_seconds: höchstens %[1]s Sekunden.",
	"the %s cannot be used: %s":                                                                                              "%[1]s kann so nicht benutzt werden: %[2]s",
	"the %s may have at most %d printable characters, without spaces":                                                        "%[1]s darf höchstens %[2]s druckbare Zeichen haben, ohne Leerzeichen.",
	"the saml_entity_id may have at most %d characters, without spaces around it: copy it as the identity provider shows it": "saml_entity_id darf höchstens %[1]s Zeichen haben, ohne umgebende Leerzeichen. Kopieren Sie sie so, wie der Identitätsanbieter sie anzeigt.",
	"saml_clock_skew_seconds must be 0 to %d; set the clocks right rather than this":                                         "saml_clock_skew_seconds: 0 bis %[1]s. Stellen Sie lieber die Uhren.",
	"the name of the attribute %s in saml_field_mapping may have at most %d characters":                                      "Der Name eines Attributs darf höchstens %[2]s Zeichen haben.",
	"the attribute %q cannot be the groups and something else: each has to be an attribute of its own":                       "Das Attribut %[1]s kann nicht die Gruppen und noch etwas anderes sein: Jedes braucht ein eigenes.",
	"oidc_scopes may hold at most %d scopes":                                                                                 "Höchstens %[1]s Scopes.",
	"oidc_scopes must hold single words such as openid, email and profile":                                                   "Scopes sind einzelne Wörter wie openid, email und profile.",
	"this key is retired, and its secret is forgotten: make another one":                                                     "Dieser Schlüssel ist außer Dienst und vergessen. Erzeugen Sie einen anderen.",

	// Metadata and issuers.
	"this is no %s: %s":                                                        "Das ist nicht brauchbar als %[1]s: %[2]s",
	"address of metadata":                                                      "Adresse von Metadaten",
	"it must begin with https://":                                              "Sie muss mit https:// beginnen.",
	"write a URL such as %s, of at most %d characters":                         "Schreiben Sie eine URL wie %[1]s mit höchstens %[2]s Zeichen.",
	"write https://HOST, perhaps with a path, and without user name%s":         "Schreiben Sie https://HOST, gern mit Pfad, aber ohne Benutzernamen und Ähnliches.",
	"it cannot be fetched; check that it opens in a browser without a warning": "Die Adresse ist nicht abrufbar. Prüfen Sie, ob sie sich in einem Browser ohne Warnung öffnet.",
	"it redirects, and redirects are not followed":                             "Sie leitet weiter, und Weiterleitungen wird nicht gefolgt.",
	"the answer has a status of %dxx":                                          "Die Antwort hat einen Status %[1]sxx.",
	"what the address answers is not SAML metadata; check that it is the one the identity provider shows":                                 "Was die Adresse antwortet, sind keine SAML-Metadaten. Prüfen Sie, ob es die ist, die der Identitätsanbieter anzeigt.",
	"the %s must be on the internet, but %s; the operator of the server can allow private networks with SALLYPORT_ALLOW_PRIVATE_NETWORKS": "Die Adresse muss im Internet liegen. Private Netze kann der Betreiber des Servers mit SALLYPORT_ALLOW_PRIVATE_NETWORKS zulassen.",
	"read the identity provider's metadata: %s":                                                    "Die Metadaten des Identitätsanbieters sind nicht brauchbar: %[1]s",
	"this is not SAML metadata: its root is neither EntityDescriptor nor EntitiesDescriptor":       "Das sind keine SAML-Metadaten: Ihre Wurzel ist weder EntityDescriptor noch EntitiesDescriptor.",
	"it describes several identity providers: name the entity id that is meant":                    "Sie beschreiben mehrere Identitätsanbieter: Nennen Sie die Entity-ID, die gemeint ist.",
	"it does not describe an identity provider with that entity id":                                "Sie beschreiben keinen Identitätsanbieter mit dieser Entity-ID.",
	"it does not describe an identity provider: this may be a service provider's, such as our own": "Sie beschreiben keinen Identitätsanbieter: Vielleicht sind es die eines Dienstes, etwa unsere eigenen.",
	"it has no certificate for signing: add the certificate by hand":                               "Sie enthalten kein Zertifikat zum Signieren: Fügen Sie es von Hand hinzu.",

	// Addresses and certificates.
	"the address is empty or longer than 2048 bytes":                                             "Die Adresse ist leer oder länger als 2048 Zeichen.",
	"the address has a character that must be written as %xx":                                    "Die Adresse enthält ein Zeichen, das als %xx geschrieben werden muss.",
	"the address is not a URL":                                                                   "Die Adresse ist keine URL.",
	"the address does not begin with https://":                                                   "Die Adresse beginnt nicht mit https://.",
	"the address names no host":                                                                  "Die Adresse nennt keinen Host.",
	"the address has a user, a password or a fragment":                                           "Die Adresse enthält einen Benutzer, ein Passwort oder ein Fragment.",
	"this is a private key: paste the certificate, and replace that key if others could see it":  "Das ist ein privater Schlüssel. Fügen Sie das Zertifikat ein, und ersetzen Sie den Schlüssel, wenn andere ihn sehen konnten.",
	"this is not a certificate: paste it in PEM, with its first and last line":                   "Das ist kein Zertifikat. Fügen Sie es als PEM ein, mit der ersten und der letzten Zeile.",
	"a certificate in PEM is damaged: copy it again from -----BEGIN to the end of its last line": "Ein Zertifikat ist beschädigt. Kopieren Sie es noch einmal von -----BEGIN bis zum Ende der letzten Zeile.",
	"there are more than ten certificates: remove those that are no longer used":                 "Es sind mehr als zehn Zertifikate. Entfernen Sie die, die nicht mehr benutzt werden.",
	"the certificate is larger than 64 KiB":                                                      "Das Zertifikat ist größer als 64 KiB.",
}

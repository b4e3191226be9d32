# The portal of LemonLDAP::NG with the people of the JSON file that
# $IDPTEST_PEOPLE names, {name => {attribute => value}}.
use strict;
use warnings;
use JSON ();
use Plack::App::File;
use Plack::Builder;

# The portal loads a maker of pictures for its registration form, which would
# want an image library, although it shows no such form.
package IdPTestCaptcha {
    use Mouse;
    extends 'Lemonldap::NG::Portal::Main::Plugin';
    sub init { return 1 }
    $INC{'IdPTestCaptcha.pm'} = __FILE__;
}

use Lemonldap::NG::Portal::Main;
use Lemonldap::NG::Portal::UserDB::Demo;

my $file = do { local ( @ARGV, $/ ) = ( $ENV{IDPTEST_PEOPLE} ); <> };
%Lemonldap::NG::Portal::UserDB::Demo::demoAccounts = %{ JSON::decode_json($file) };
%Lemonldap::NG::Portal::UserDB::Demo::demoGroups   = ();

my $portal = Lemonldap::NG::Portal::Main->run( {} );
builder {
    mount '/static' => Plack::App::File->new( root => '/usr/share/lemonldap-ng/portal/htdocs/static' )->to_app;
    mount '/' => $portal;
};

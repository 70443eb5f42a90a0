//! Places.

use super::harness::*;

const SICILY: &str =
    "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 2.349014 48.864716 Paris => :3";

#[test]
fn places_are_added_and_looked_up() {
    let (_server, mut client) = server_and_client();
    client.check(SICILY);
    client.check(
        "ZSCORE Sicily Palermo => $16 3479099956230698
         GEOADD Sicily ch ch ch => -ERR_syntax_error
         GEOADD Sicily NX CH 13 38 Palermo => :0
         GEOADD Sicily XX 13 38 none => :0
         GEODIST Sicily Palermo Catania => $11 166274.1516
         GEODIST Sicily Palermo Catania km => $8 166.2742
         GEODIST Sicily Palermo none => $-1
         GEODIST none a b => $-1
         GEOHASH Sicily Palermo none => *2 $11 sqc8b49rny0 $-1
         GEOPOS Sicily none Palermo => *2 *-1 *2 $20 13.36138933897018433 $20 38.11555639549629859
         GEOPOS none a => *1 *-1
         GEOADD g 200 1 a => -ERR_invalid_longitude,latitude_pair_200.000000,1.000000
         GEOADD g x 1 a => -ERR_value_is_not_a_valid_float
         GEOADD g 1 2 a 3 => -ERR_syntax_error
         GEOADD g NX XX 1 2 a => -ERR_syntax_error
         GEOADD g GT 1 2 a => -ERR_syntax_error
         GEODIST Sicily a b x => -ERR_unsupported_unit_provided._please_use_M,_KM,_FT,_MI
         GEODIST Sicily a b km x => -ERR_syntax_error
         ZADD odd -1 a 1e300 b 0.5 c
         GEOHASH odd a b c => *3 $11 bp05b5048p0 $11 00bh0hbj200 $11 00bh0hbj200
         HELLO 3
         GEODIST Sicily Palermo Catania => $11 166274.1516
         GEOPOS Sicily none Palermo => *2 _ *2 ,13.36138933897018433 ,38.11555639549629859",
    );
}

#[test]
fn areas_are_searched() {
    let (_server, mut client) = server_and_client();
    client.check(SICILY);
    client.check(
        "GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 200 km ASC WITHDIST => *2 *2 $7 Palermo $6 0.0000 *2 $7 Catania $8 166.2742
         GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km DESC WITHHASH => *2 *2 $7 Palermo :3479099956230698 *2 $7 Catania :3479447370796909
         GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 100 km WITHCOORD => *1 *2 $7 Catania *2 $20 15.08726745843887329 $20 37.50266842333162032
         GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 400 km COUNT 1 => *1 $7 Catania
         GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 400 km COUNT 1 ANY => *1 $7 Palermo
         GEOSEARCH none FROMMEMBER a BYRADIUS 1 km => *0
         GEOSEARCH Sicily FROMMEMBER none BYRADIUS 1 km => -ERR_could_not_decode_requested_zset_member
         GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 400 km ANY => -ERR_the_ANY_argument_requires_COUNT_argument
         GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 400 km COUNT 0 => -ERR_COUNT_must_be_>_0
         GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 4 km BYBOX 1 1 m => -ERR_syntax_error
         GEOSEARCH Sicily BYRADIUS 400 km ASC WITHDIST WITHCOORD => -ERR_exactly_one_of_FROMMEMBER_or_FROMLONLAT_can_be_specified_for_GEOSEARCH
         GEOSEARCH Sicily FROMLONLAT 15 37 ASC WITHDIST WITHCOORD => -ERR_exactly_one_of_BYRADIUS_and_BYBOX_can_be_specified_for_GEOSEARCH
         GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX x 1 km => -ERR_need_numeric_width
         GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 x km => -ERR_need_numeric_height
         GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 -1 km => -ERR_height_or_width_cannot_be_negative
         GEORADIUS Sicily 15 37 200 km ASC => *2 $7 Catania $7 Palermo
         GEORADIUS_RO Sicily 15 37 200 km DESC => *2 $7 Palermo $7 Catania
         GEORADIUSBYMEMBER Sicily Palermo 200 km ASC => *2 $7 Palermo $7 Catania
         GEORADIUSBYMEMBER_RO Sicily Palermo 1 km => *1 $7 Palermo
         GEORADIUS Sicily 15 37 x km => -ERR_need_numeric_radius
         GEORADIUS Sicily 15 37 -1 km => -ERR_radius_cannot_be_negative
         GEORADIUS_RO Sicily 15 37 1 km STORE to => -ERR_syntax_error
         GEORADIUSBYMEMBER none a x km => *0",
    );
}

#[test]
fn places_found_are_stored() {
    let (_server, mut client) = server_and_client();
    client.check(SICILY);
    client.check(
        "GEOSEARCHSTORE to Sicily FROMLONLAT 15 37 BYRADIUS 400 km => :2
         ZRANGE to 0 -1 WITHSCORES => *4 $7 Palermo $16 3479099956230698 $7 Catania $16 3479447370796909
         GEOSEARCHSTORE to Sicily FROMLONLAT 15 37 BYRADIUS 400 km STOREDIST COUNT 1 => :1
         ZRANGE to 0 -1 WITHSCORES => *2 $7 Catania $16 56.4412578701582
         GEORADIUS Sicily 15 37 400 km STORE to => :2
         GEORADIUSBYMEMBER Sicily Palermo 1 km STOREDIST to => :1
         ZRANGE to 0 -1 WITHSCORES => *2 $7 Palermo $1 0
         GEORADIUS Sicily 15 37 400 km STORE to WITHDIST => -ERR_STORE_option_in_GEORADIUS_is_not_compatible_with_WITHDIST,_WITHHASH_and_WITHCOORD_options
         GEOSEARCHSTORE to Sicily FROMLONLAT 15 37 BYRADIUS 4 km WITHDIST => -ERR_GEOSEARCHSTORE_is_not_compatible_with_WITHDIST,_WITHHASH_and_WITHCOORD_options
         GEOSEARCHSTORE to none FROMMEMBER x BYRADIUS 400 km => :0
         EXISTS to => :0",
    );
}

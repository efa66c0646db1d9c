// Places at the edges of the map, and searches that find nothing. Replies as redis-server 7.0.15 gives them, in whichever encodings values are kept.

import Testing

@testable import StoreEngine

@Suite struct GeoCommandsTests {
    @Test func repliesAtTheEdges() {
        expectReplies([
            (["GEOADD", "g", "180", "85.05112878", "corner", "-180", "-85.05112878", "other"], ":2\r\n"),
            (["GEOADD", "g", "180.1", "0", "x"], "-ERR invalid longitude,latitude pair 180.100000,0.000000\r\n"),
            (["GEOADD", "g", "0", "85.1", "x"], "-ERR invalid longitude,latitude pair 0.000000,85.100000\r\n"),
            (["GEOADD", "g", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"], ":2\r\n"),
            (["GEOADD", "g", "XX", "CH", "13.361389", "38.115556", "Palermo"], ":0\r\n"),
            (["GEOADD", "g", "NX", "XX", "1", "1", "a"], "-ERR syntax error\r\n"),
            (["GEODIST", "g", "Palermo", "Catania", "km"], "$8\r\n166.2742\r\n"),
            (["GEODIST", "g", "Palermo", "none"], "$-1\r\n"),
            (
                ["GEODIST", "g", "Palermo", "Catania", "miles"],
                "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"
            ),
            (
                ["GEOPOS", "g", "none", "Palermo"],
                "*2\r\n*-1\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n"
            ),
            (["GEOHASH", "g", "Palermo", "none"], "*2\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n"),
            (
                ["GEOSEARCH", "g", "FROMMEMBER", "Palermo", "BYRADIUS", "200", "km", "ASC"],
                "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"
            ),
            (["GEOSEARCH", "g", "FROMMEMBER", "Palermo", "BYRADIUS", "0", "m"], "*1\r\n$7\r\nPalermo\r\n"),
            (
                ["GEOSEARCH", "g", "FROMMEMBER", "none", "BYRADIUS", "1", "m"],
                "-ERR could not decode requested zset member\r\n"
            ),
            (["GEOSEARCH", "none", "FROMLONLAT", "0", "0", "BYBOX", "1", "1", "m"], "*0\r\n"),
            (
                [
                    "GEOSEARCH", "g", "FROMLONLAT", "15", "37", "BYBOX", "400", "400", "km", "ASC", "COUNT", "1",
                    "WITHDIST",
                ], "*1\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n"
            ),
            (
                ["GEOSEARCH", "g", "FROMLONLAT", "15", "37", "BYRADIUS", "-1", "m"],
                "-ERR radius cannot be negative\r\n"
            ),
            (["GEOSEARCHSTORE", "d", "g", "FROMLONLAT", "0", "0", "BYRADIUS", "1", "m"], ":0\r\n"),
            (["EXISTS", "d"], ":0\r\n"),
            (["GEORADIUS", "g", "15", "37", "200", "km", "COUNT", "0"], "-ERR COUNT must be > 0\r\n"),
        ])
    }
}

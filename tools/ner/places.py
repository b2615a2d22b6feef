"""Places that the lists of tools/name_lists.py lack: large cities of the world, states, regions, short forms."""

from __future__ import annotations

_CITIES = """
London|Paris|Berlin|Madrid|Rome|Vienna|Lisbon|Dublin|Athens|Brussels|Amsterdam|Rotterdam|The Hague|Utrecht|Copenhagen
Stockholm|Oslo|Helsinki|Reykjavik|Warsaw|Krakow|Gdansk|Prague|Brno|Budapest|Bucharest|Sofia|Belgrade|Zagreb|Ljubljana
Sarajevo|Skopje|Tirana|Pristina|Podgorica|Bratislava|Vilnius|Riga|Tallinn|Minsk|Kyiv|Kiev|Kharkiv|Lviv|Odesa|Moscow
Saint Petersburg|St. Petersburg|Novosibirsk|Kazan|Istanbul|Ankara|Izmir|Antalya|Tbilisi|Yerevan|Baku|Geneva|Zurich
Basel|Bern|Lausanne|Munich|Hamburg|Cologne|Frankfurt|Stuttgart|Dusseldorf|Leipzig|Dresden|Hanover|Nuremberg|Bremen
Milan|Naples|Turin|Florence|Venice|Bologna|Genoa|Palermo|Barcelona|Valencia|Seville|Bilbao|Malaga|Porto|Lyon|Marseille
Nice|Toulouse|Bordeaux|Lille|Strasbourg|Nantes|Antwerp|Ghent|Bruges|Luxembourg|Monaco|Manchester|Birmingham|Liverpool
Leeds|Sheffield|Bristol|Glasgow|Edinburgh|Cardiff|Belfast|Oxford|Cambridge|Brighton|Nottingham|Leicester|Newcastle
Southampton|Portsmouth|Plymouth|Norwich|York|Bath|Exeter|Aberdeen|Dundee|Swansea|Cork|Galway|Limerick|New York
New York City|Los Angeles|Chicago|Houston|Phoenix|Philadelphia|San Antonio|San Diego|Dallas|San Jose|Austin|Jacksonville
Fort Worth|Columbus|Charlotte|San Francisco|Indianapolis|Seattle|Denver|Washington|Washington DC|Boston
El Paso|Nashville
Detroit|Oklahoma City|Portland|Las Vegas|Memphis|Louisville|Baltimore|Milwaukee|Albuquerque|Tucson|Fresno|Sacramento
Kansas City|Mesa|Atlanta|Omaha|Colorado Springs|Raleigh|Miami|Long Beach|Virginia Beach|Oakland|Minneapolis|Tulsa|Tampa
Arlington|New Orleans|Wichita|Cleveland|Bakersfield|Aurora|Anaheim|Honolulu|Santa Ana|Riverside|Corpus Christi|Lexington
Stockton|Henderson|Saint Paul|St. Louis|Cincinnati|Pittsburgh|Greensboro|Anchorage|Plano|Lincoln|Orlando|Irvine|Newark
Toledo|Durham|Chula Vista|Fort Wayne|Jersey City|Buffalo|Chandler|Madison|Lubbock|Scottsdale|Reno|Glendale|Gilbert
Norfolk|Spokane|Boise|Richmond|Baton Rouge|Des Moines|Tacoma|Rochester|Salt Lake City|Little Rock|Birmingham|Knoxville
Providence|Chattanooga|Savannah|Charleston|Santa Fe|Santa Monica|Palo Alto|Mountain View|Berkeley|Pasadena|Boulder
Ann Arbor|Burlington|Hartford|Albany|Syracuse|Trenton|Brooklyn|Manhattan|Queens|The Bronx|Staten Island|Harlem|Hollywood
Beverly Hills|Silicon Valley|Bay Area|Toronto|Montreal|Vancouver|Ottawa|Calgary|Edmonton|Winnipeg|Quebec City|Halifax
Victoria|Mexico City|Guadalajara|Monterrey|Tijuana|Cancun|Havana|Kingston|San Juan|Panama City|Bogota|Medellin|Cali
Quito|Guayaquil|Lima|Cusco|La Paz|Santiago|Valparaiso|Buenos Aires|Cordoba|Rosario|Montevideo|Asuncion|Sao Paulo
Rio de Janeiro|Brasilia|Salvador|Recife|Fortaleza|Porto Alegre|Curitiba|Caracas|Cairo|Alexandria|Tunis|Algiers|Rabat
Casablanca|Marrakesh|Tripoli|Khartoum|Addis Ababa|Nairobi|Mombasa|Kampala|Kigali|Dar es Salaam|Lusaka|Harare|Lagos
Abuja|Ibadan|Kano|Accra|Kumasi|Abidjan|Dakar|Bamako|Johannesburg|Cape Town|Durban|Pretoria|Windhoek|Maputo|Luanda
Kinshasa|Antananarivo|Jerusalem|Tel Aviv|Haifa|Amman|Beirut|Damascus|Aleppo|Baghdad|Basra|Mosul|Fallujah|Tehran|Isfahan
Shiraz|Riyadh|Jeddah|Mecca|Medina|Dubai|Abu Dhabi|Doha|Kuwait City|Manama|Muscat|Sanaa|Kabul|Kandahar|Islamabad|Karachi
Lahore|Peshawar|Rawalpindi|Delhi|New Delhi|Mumbai|Bombay|Bangalore|Bengaluru|Hyderabad|Chennai|Kolkata|Calcutta|Pune
Ahmedabad|Jaipur|Lucknow|Kochi|Goa|Kathmandu|Dhaka|Chittagong|Colombo|Male|Yangon|Bangkok|Chiang Mai|Phuket|Hanoi
Ho Chi Minh City|Saigon|Da Nang|Phnom Penh|Siem Reap|Vientiane|Kuala Lumpur|Penang|Singapore|Jakarta|Surabaya|Bandung
Bali|Manila|Cebu|Davao|Quezon City|Taipei|Kaohsiung|Hong Kong|Macau|Beijing|Shanghai|Guangzhou|Shenzhen|Chengdu|Wuhan
Nanjing|Tianjin|Xi'an|Hangzhou|Chongqing|Harbin|Tokyo|Osaka|Kyoto|Nagoya|Sapporo|Fukuoka|Hiroshima|Nagasaki|Yokohama
Kobe|Seoul|Busan|Incheon|Pyongyang|Ulaanbaatar|Almaty|Astana|Tashkent|Samarkand|Bishkek|Sydney|Melbourne|Brisbane|Perth
Adelaide|Canberra|Hobart|Darwin|Cairns|Auckland|Wellington|Christchurch|Queenstown|Suva|Honiara|Port Moresby
"""
_REGIONS = """
Europe|Asia|Africa|North America|South America|Latin America|Central America|Australia|Antarctica|Middle East
Scandinavia
the Balkans|Caribbean|Southeast Asia|Siberia|Bavaria|Saxony|Tuscany|Sicily|Sardinia|Lombardy|Catalonia|Andalusia|Galicia
Normandy|Brittany|Provence|Burgundy|Flanders|Wallonia|England|Scotland|Wales|Northern Ireland|Cornwall|Devon|Kent|Essex
Surrey|Sussex|Yorkshire|Lancashire|Cheshire|Norfolk|Suffolk|Somerset|Dorset|Hampshire|Midlands|Highlands|Gaza|West Bank
Kurdistan|Kashmir|Punjab|Gujarat|Kerala|Tamil Nadu|Tibet|Xinjiang|Hokkaido|Okinawa|Queensland|New South Wales|Tasmania
Ontario|Quebec|British Columbia|Alberta|Manitoba|Nova Scotia|Patagonia|Amazonas|Chechnya|Crimea|Donbas|Transylvania
Mediterranean|Alps|Himalayas|Andes|Rocky Mountains|Sahara|Pacific|Atlantic|Baltic|Hawaii|Long Island|Cape Cod|Midwest
"""
_COUNTRIES = """
USA|U.S.A.|U.S.|US|UK|U.K.|UAE|EU|America|Britain|Great Britain|Russia|Iran|Syria|South Korea|North Korea|Korea|Vietnam
Laos|Taiwan|Palestine|Holland|Czechia|Moldova|Macedonia|Bolivia|Venezuela|Tanzania|Congo|Ivory Coast|Burma|Kosovo|China
Soviet Union|USSR|Yugoslavia|Emirates|Persia|Hong Kong|Libya|the Netherlands|the Philippines|the United States
"""
STATES = [
    "AL",
    "AK",
    "AZ",
    "AR",
    "CA",
    "CO",
    "CT",
    "DE",
    "FL",
    "GA",
    "HI",
    "ID",
    "IL",
    "IA",
    "KS",
    "KY",
    "LA",
    "ME",
    "MD",
    "MA",
    "MI",
    "MN",
    "MS",
    "MO",
    "MT",
    "NE",
    "NV",
    "NH",
    "NJ",
    "NM",
    "NY",
    "NC",
    "ND",
    "OH",
    "OK",
    "OR",
    "PA",
    "RI",
    "SC",
    "SD",
    "TN",
    "TX",
    "UT",
    "VT",
    "VA",
    "WA",
    "WV",
    "WI",
    "WY",
    "DC",
]


def _names(block: str) -> list[str]:
    return list(dict.fromkeys(name for line in block.split("\n") for name in line.split("|") if name))


CITIES = _names(_CITIES)
REGIONS = _names(_REGIONS)
COUNTRIES = _names(_COUNTRIES)

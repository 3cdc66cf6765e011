// SPDX-License-Identifier: Apache-2.0
import Records
import Scoring
import Testing

@Suite struct LanguageTests {
  private func language(_ text: String) throws -> (code: String?, score: Double?) {
    var options = RecordScorer.Options()
    options.signals = try SignalCatalog.select("language")
    var scorer = RecordScorer(options)
    let score = scorer.score(text, tokens: nil)
    return (score.language, score.signals.first { $0.name == "language_score" }?.value)
  }

  @Test(arguments: [
    ("en", "The kettle was on the stove, and nobody had thought of what would happen if it boiled."),
    ("de", "Der Bäcker hat heute kein Brot, weil der Ofen seit dem Morgen nicht mehr warm wird."),
    ("fr", "L'horloge de la gare est en panne, mais les trains arrivent toujours à l'heure."),
    ("es", "El perro de mi vecino duerme por la tarde y no deja que nadie se siente en el sofá."),
    ("pt", "A chuva não parou durante a noite e as ruas da aldeia ficaram cheias de água."),
    ("it", "Il gatto dorme sulla sedia della cucina e non si muove fino a quando è ora di cena."),
    ("nl", "De fiets staat al een week in de schuur, want het is te koud om ermee naar het werk te gaan."),
    ("sv", "Båten ligger kvar i hamnen, eftersom vinden är för stark och ingen vill ge sig ut."),
    ("da", "Jeg ved ikke, hvad der er sket med cyklen efter festen, men den er blevet meget rusten."),
    ("no", "Jeg vet ikke hva som skjedde med sykkelen etter festen, men nå er den blitt mye rustet."),
    ("fi", "Hän sanoi, että juna on myöhässä, mutta se ei ollut hänen mielestään kovin vaarallista."),
    ("pl", "Nie wiem, czy pociąg już odjechał, ale na peronie nie ma nikogo i jest bardzo cicho."),
    ("cs", "Nevím, jestli už vlak odjel, ale na nástupišti není nikdo a je tam velmi ticho, řekl průvodčí."),
    ("sk", "Neviem, či už vlak odišiel, ale na nástupišti sa nikto neukázal a je tam veľmi ticho."),
    ("hu", "Nem tudom, hogy elment-e már a vonat, de az állomáson nincs senki, és nagy a csönd."),
    ("ro", "Nu știu dacă trenul a plecat, dar pe peron nu este nimeni și în gară e liniște."),
    ("tr", "Trenin gidip gitmediğini bilmiyorum ama istasyonda hiç kimse yok ve bu çok garip."),
    ("id", "Saya tidak tahu apakah kereta itu sudah berangkat, karena di stasiun tidak ada orang."),
    ("vi", "Tôi không biết tàu đã chạy hay chưa, nhưng ở sân ga không có ai và rất yên tĩnh."),
    ("et", "Ma ei tea, kas rong on juba läinud, aga perroonil ei ole kedagi ja on väga vaikne."),
    ("lt", "Aš nežinau, ar traukinys jau išvyko, bet perone nėra nieko ir yra labai tylu."),
    ("lv", "Es nezinu, vai vilciens jau ir aizgājis, bet uz perona nav neviena un ir ļoti kluss."),
    ("hr", "Ne znam je li vlak već otišao, ali na peronu nema nikoga i sve je vrlo tiho, što je čudno."),
    ("sl", "Ne vem, ali je vlak že odpeljal, toda na peronu ni nikogar in je zelo tiho, kar je čudno."),
    ("ca", "No sé si el tren ja ha sortit, però a l'andana no hi ha ningú i això és molt estrany."),
    ("ru", "Я не знаю, ушёл ли уже поезд, но на платформе никого нет, и это было бы странно."),
    ("uk", "Я не знаю, чи поїзд уже пішов, але на платформі нікого немає, і це дуже дивно."),
    ("bg", "Не знам дали влакът вече е тръгнал, но на перона няма никой и това е много странно."),
    ("sr", "Не знам да ли је воз већ отишао, али на перону нема никога и све је веома тихо."),
    ("ar", "لا أعرف إن كان القطار قد غادر، ولكن لا يوجد أحد على الرصيف وهذا غريب."),
    ("fa", "نمی‌دانم که قطار رفته است یا نه، اما هیچ کس در ایستگاه نیست و این عجیب است."),
    ("ur", "مجھے معلوم نہیں کہ گاڑی جا چکی ہے یا نہیں، لیکن اسٹیشن پر کوئی نہیں ہے۔"),
  ])
  func functionWordsTellTheLanguage(code: String, text: String) throws {
    let found = try language(text)
    #expect(found.code == code)
    let score = try #require(found.score)
    #expect(score >= 0.2 && score <= 1)
  }

  @Test(arguments: [
    ("el", "Το τρένο έφυγε."), ("he", "הרכבת יצאה."), ("th", "รถไฟออกแล้ว"), ("ko", "기차가 떠났다."),
    ("ja", "電車はもう出ました。"), ("zh", "火车已经开走了。"), ("ka", "მატარებელი წავიდა."),
    ("hy", "Գնացքը մեկնեց։"), ("hi", "गाड़ी चली गई।"), ("bn", "ট্রেন চলে গেছে।"), ("ta", "ரயில் சென்றது."),
  ])
  func scriptsOfOneLanguageTellIt(code: String, text: String) throws {
    let found = try language(text)
    #expect(found.code == code)
    #expect(found.score == 1)
  }

  @Test func whatIsUnclearIsUndetermined() throws {
    let english = "The bread was not in the kitchen when they came from the garden."
    let german = "Das Brot war nicht in der Küche, als sie aus dem Garten kamen."
    let greek = "Το ψωμί δεν ήταν στην κουζίνα όταν ήρθαν από τον κήπο μας."
    #expect(try language(english + " " + greek).code == "und")
    #expect(try language("xqz blorp wibble frumious").code == "und")
    #expect(try language(english).code == "en")
    #expect(try language(german).code == "de")
    #expect(try language(english + " " + german).code == "und")
    // Share of the letters in the main script, .5 or a little more, is not enough.
    #expect(try #require(try language(english + " " + greek).score) < 0.55)
  }

  @Test(arguments: ["", " \n", "42 + 17 = 59", "🙂 ###"])
  func textsWithoutLettersHaveNoLanguage(text: String) throws {
    let found = try language(text)
    #expect(found.code == "und")
    #expect(found.score == nil)
  }

  @Test func theLanguageStandsInTheRecordOnlyWhereItIsAskedFor() throws {
    var scorer = RecordScorer(RecordScorer.Options())
    #expect(scorer.score("It is what it is.", tokens: nil).language == nil)
  }

  @Test func whatWasAskedBeforeChangesNothing() throws {
    var options = RecordScorer.Options()
    options.signals = try SignalCatalog.select("language")
    var scorer = RecordScorer(options)
    let german = "Das ist nicht der Weg."
    let texts = [german, "", "C'est la vie, et nous sommes là.", german]
    let scores = texts.map { scorer.score($0, tokens: nil) }
    #expect(scores[0] == scores[3])
    #expect(scores.map(\.language) == ["de", "und", "fr", "de"])
  }
}

// SPDX-License-Identifier: Apache-2.0

/// What tells a language from the others of its script: its most frequent function words, and letters
/// that only it and few others have. The lists are this toolkit's own (Documentation/scores.md,
/// "Language").
struct LanguageProfile: Sendable {
  /// ISO 639-1.
  let code: String
  let words: String
  let letters: String

  init(_ code: String, _ letters: String, _ words: String) {
    self.code = code
    self.letters = letters
    self.words = words
  }

  static let latin: [LanguageProfile] = [
    LanguageProfile(
      "en", "",
      """
      the of and to in is that it was for on are as with his they be at this have from or had \
      by but not what all were we when your can there an which their if will has would been who \
      you i he she my so
      """),
    LanguageProfile(
      "de", "äöüß",
      """
      der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es \
      an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über so zum \
      war haben nur oder aber ich kann wenn
      """),
    LanguageProfile(
      "fr", "éèêàçùœîôû",
      """
      de la le et les des en un une du est que dans qui par pour pas sur au plus ce ne se avec \
      il sont aux ou son sa cette mais comme nous vous on je été ces être fait si leur elle \
      tout même d l qu n c s j peut
      """),
    LanguageProfile(
      "es", "ñáéíóú¿¡",
      """
      de la que el en y a los se del las un por con no una su para es al lo como más o pero sus \
      le ha me si sin sobre este ya entre cuando todo esta ser son dos también fue había era \
      muy hasta desde está puede
      """),
    LanguageProfile(
      "pt", "ãõçáéêíóúâôà",
      """
      de a o que e do da em um para com não uma os no se na por mais as dos como mas ao ele das \
      à seu sua ou quando muito nos já eu também só pelo pela até isso ela entre depois sem \
      mesmo aos são ser está você pode
      """),
    LanguageProfile(
      "it", "èàòùì",
      """
      di e il la che in a per un è del non della una i con le si da sono al lo dei come nel \
      alla più anche ma gli se delle ha o ed questo l d dell all nella su essere questa suo dal \
      quando può ci mi cosa chi
      """),
    LanguageProfile(
      "nl", "ĳë",
      """
      de van het een en in is dat op te zijn met voor niet aan er die om ook als dan maar bij \
      uit nog naar door over ze hij tot of wordt worden heeft kan ik je wat was meer hebben \
      deze geen dit zich al moet wel
      """),
    LanguageProfile(
      "sv", "åäö",
      """
      och i att det som en på är av för med till den har de inte om ett han men var jag sig \
      från vi så kan när eller nu skall hade där ut även efter över vid dem bara ska alla du \
      vara detta dessa mycket inga
      """),
    LanguageProfile(
      "da", "æøå",
      """
      og i at det er en til af som for på de med den der har ikke et han var jeg men sig fra vi \
      så kan om hvor eller nu blev skal havde efter ved over også bliver hvis hvad mig meget \
      være nogle denne dette kun når ud gøre mellem gennem ind op uden anden andet mere bruges \
      dig selv mod mens lave give bør fået
      """),
    LanguageProfile(
      "no", "æøå",
      """
      og i det er en på til som av for at med de den har ikke et han var jeg men seg fra vi så \
      kan om hvor eller nå ble skal hadde etter ved over også blir hvis hva meg mye være noen \
      denne dette bare når ut gjøre mellom gjennom inn opp uten annen annet mer brukes deg selv \
      mot mens bruke lage gi bør fått dersom
      """),
    LanguageProfile(
      "fi", "äö",
      """
      ja on ei se että oli hän joka mutta kun tai ovat niin kuin myös sen en ole jos mitä vain \
      minä voi sitä nyt mukaan ollut jonka hänen sekä jotka tämä ne kanssa olla jo sitten he \
      tämän eivät ennen mikä
      """),
    LanguageProfile(
      "pl", "ąćęłńśźżó",
      """
      w i z na nie się do to że jest o jak a po co ale za od tak przez dla czy jego są tylko \
      był oraz lub być może już było ich przy tego ma jeśli te ten ta jej który które która \
      także bardzo można we ze
      """),
    LanguageProfile(
      "cs", "ěřůáíéýčšžťďň",
      """
      a se v na je že o s z do i to k ve pro za by ale si po jsou jako jsem od tak nebo byl při \
      není která který které jeho ze co bylo byla až může také však jen když než už tím aby \
      pokud lze podle
      """),
    LanguageProfile(
      "sk", "ľĺŕôáíéýčšžťďňä",
      """
      a sa v na je že o s z do i to k vo pre za by ale si po sú ako som od tak alebo bol pri \
      nie ktorá ktorý ktoré jeho zo čo bolo bola až môže aj však len keď než už tým aby ak \
      podľa iba boli ich bude
      """),
    LanguageProfile(
      "hu", "őűöüáéíóú",
      """
      a az és hogy nem is egy ez meg de azt csak van volt el ha mint még ki már vagy kell lehet \
      mert lesz amely ezt után le minden fel be majd aki úgy vannak én mi ami nincs ezek sem \
      annak szerint nagyon olyan
      """),
    LanguageProfile(
      "ro", "ășțâîşţ",
      """
      de și în a la cu pe care nu o să din că mai este un au pentru se ale al sau prin ca sunt \
      fi dar lui după era fost între acest această dacă cele cel când până fără poate doar am \
      iar ei lor fiind
      """),
    LanguageProfile(
      "tr", "ğışçöüâ",
      """
      ve bir bu da de için ile olarak çok daha o gibi en ne kadar olan ama sonra ya değil var \
      her mi ki veya ise olduğu mı diye ancak şey göre tarafından oldu yok hiç ben sen içinde \
      üzerinde eğer şu nasıl
      """),
    LanguageProfile(
      "id", "",
      """
      yang dan di ini itu dengan untuk dari dalam tidak akan pada juga ke adalah karena \
      tersebut oleh bisa ada mereka lebih telah sudah saya atau seperti kami hanya kita dapat \
      bahwa harus banyak anda jika para menjadi
      """),
    LanguageProfile(
      "vi", "ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
      """
      và của là có không được cho trong một với những người các này đã để khi từ đến cũng như \
      ra về ở thì vào tôi sẽ nhiều phải đó tại bạn nếu hay còn theo trên bị chỉ mà nó rất anh
      """),
    LanguageProfile(
      "et", "õäöü",
      """
      ja on ei et see oli ta kui mis aga ka või oma ning siis nii ma kes seda selle veel juba \
      ole olid tema mida välja nagu kas üle pärast mitte need peale enne saab võib sest vaid
      """),
    LanguageProfile(
      "lt", "ėųįūąęčšž",
      """
      ir į kad yra su iš tai bet ne kaip o per buvo jis apie nuo už tik dar jau arba taip kai \
      ar po jo iki jei prie labai aš ką gali bus ji šis kuris mes jie būti savo pagal
      """),
    LanguageProfile(
      "lv", "āēīūģķļņčšž",
      """
      un ir ka no ar uz par to kas bet tas kā nav es viņš pie arī vai lai tā pēc bija tikai ja \
      līdz jau vēl var mēs gan tad ko būt savu viņa tiek kuru tomēr šis visi
      """),
    LanguageProfile(
      "hr", "đćčšž",
      """
      i je u se na da su za od a s kao koji što iz o ne ili bi koja će koje samo po ali do biti \
      bio kada nije sve ako još nakon više već može prema te njegov također kod sam tko gdje
      """),
    LanguageProfile(
      "sl", "čšž",
      """
      in je se v na da za so ki pa z ni tudi po bi kot s ali iz od do pri kaj o ne še kar lahko \
      ko sem bil samo če bila med bilo že vse ta to ker bolj zelo imajo nad biti
      """),
    LanguageProfile(
      "ca", "àèéíòóúçï·",
      """
      de la i el que a en els per les un una és amb no del es al dels l d com més però o pel \
      seu seva si aquest aquesta són va ha han entre també quan ser molt fins sobre des perquè \
      on tot hi sense pot
      """),
  ]

  static let cyrillic: [LanguageProfile] = [
    LanguageProfile(
      "ru", "ыэёъ",
      """
      и в не на я что он с как это по но к у из за то все от так же для бы о было был или если \
      его она они мы только ещё при чтобы может до есть уже вы когда этого быть нет их который \
      где
      """),
    LanguageProfile(
      "uk", "іїєґ",
      """
      і в не на що з до як це за та у для й я але він від по так про або має якщо його вона \
      вони ми тільки ще при щоб може є вже ви коли бути також який буде чи де після цього їх \
      під
      """),
    LanguageProfile(
      "bg", "ъ",
      """
      и на да се в за не от е с по са като че до които или ще си това го ако при има може няма \
      тя той те бе след само един което който бъде както към тази този през още аз ми ги
      """),
    LanguageProfile(
      "sr", "јљњћђџ",
      """
      и у је да се на за су од са као из који не о или што би која ће које само по али до бити \
      био када није све ако још након више већ може према ове ово овај то
      """),
  ]

  static let arabic: [LanguageProfile] = [
    LanguageProfile(
      "ar", "ةىأإيكؤئ",
      """
      في من على أن إلى عن ما هو التي الذي هذا هذه كان لا مع كل قد بعد كما أو لم ذلك بين و كانت \
      إن هي حيث ولا ثم عند غير يكون منذ تم لها له ومن وفي وقد
      """),
    LanguageProfile(
      "fa", "پچژگیک",
      """
      و در به از که این را با است برای آن یک خود تا بر هم نیز شد شده بود می ها کرد اما یا او ما \
      باید کند دارد شود هر بین نمی دیگر پس های اگر بودند
      """),
    LanguageProfile(
      "ur", "ٹڈڑںےھہپچگیک",
      """
      کے کی ہے میں اور سے کا کو اس نے ہیں کہ یہ پر ایک بھی تھا نہیں وہ کر جو ہو تو تھے گیا ان \
      ہی لیے تھی ساتھ کیا بعد اپنے جا کسی ہوئے گی کرنے
      """),
  ]
}

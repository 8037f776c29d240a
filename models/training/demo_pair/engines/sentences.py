"""What the voices never heard say: the lip-sync checker's sentences and some more."""

NEVER_TRAINED = {
    "ru": (
        "Мама мыла раму, а папа читал большую книгу.",
        "Добрый вечер! Сегодня хорошая погода, и мы пойдём гулять в парк.",
        "Пожалуйста, повторите ваш вопрос ещё раз.",
        "Юный музыкант быстро выучил новую пьесу для фортепиано.",
        "Пять больших пароходов медленно проплывали мимо берега.",
        "Бабушка испекла вкусные пирожки с капустой и грибами.",
        "Когда начнётся выставка, все билеты будут проданы.",
        "Вчера мой брат купил зелёный велосипед и быстро поехал домой.",
        "Уважаемые пассажиры, поезд отправляется с первого пути.",
        "Весной воздух пахнет мокрой землёй и яблоневым цветом.",
    ),
    "en": (
        "Good morning, my name is Emma and I am happy to help you.",
        "Please remember to bring the blue umbrella before the meeting.",
        "Would you like to know more about the weather in Boston?",
        "Five very old people walked slowly over the wooden bridge.",
        "The museum opens at nine, but you may buy a ticket before that.",
        "Every Monday the baker makes fresh bread with apples and plums.",
        "How many boats do you see above the white waterfall?",
        "Father bought a pair of brown boots and a warm wool coat.",
        "Move the heavy table from the room and put it by the pool.",
        "She has a lovely voice, and she sings both songs very well.",
    ),
}
